"""The campaign: several tasks at a time on a real Airflow, a blow for each task, and a check of what is left behind."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from pathlib import Path

from tests.survive.kills.blows import CELERY
from tests.survive.kills.plan import Kill, kill_of, verdict
from tests.survive.kills.scene import Scene
from tests.survive.kills.stage import staged
from tools.real_airflow import interrupt_on_termination
from tools.separate_hosts import require_separate_hosts

AT_A_TIME = 7
"""Tasks that run at a time. If a component is killed, all of them are without it."""


def campaign(kills: int, seed: int | None, executor: str) -> int:
    """
    Run a campaign and print its results.

    :param kills: number of kills.
    :param seed: the seed of the first kill; the others follow it. None for a fresh one.
    :param executor: ``local`` or ``celery``.
    :return: exit code.
    :raises SeparateHostError: ``celery`` needs hosts that this machine cannot make.
    """
    if executor == CELERY:
        require_separate_hosts()
    interrupt_on_termination()
    first = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    print(f"seeds {first} to {first + kills - 1} on {executor}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    folder.chmod(0o755)
    began = time.monotonic()
    with staged(executor, kills, folder) as stage:
        scenes = [Scene(stage, kill_of(first + number, executor), number) for number in range(kills)]
        _play(scenes)
        unended = sum(not scene.attempt.ended for scene in scenes)
        extracts = sum(scene.kill.kind.dag_id.startswith("extract_") for scene in scenes)
        at_the_end = list(stage.leftovers(unended, extracts))
        for scene in scenes:  # stopped processes may have continued
            for word, text in scene.check():
                scene.kill.problems.append((word, f"in the end, {text}"))
                print(f"in the end, {scene.kill}", flush=True)
    for word, text in at_the_end:
        print(f"in the end, {word}: {text}")
    kept = [scene.kill for scene in scenes]
    line, well = verdict(kept, at_the_end)
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"Logs, files and databases are in {folder}")
    print(f"{time.monotonic() - began:.0f} s, {_summary(kept)}")
    print(line)
    return 0 if well else 1


def _play(scenes: list[Scene]) -> None:
    """Play the scenes, several at a time, and print how each ended."""
    waiting = iter(scenes)

    def work() -> None:
        for scene in waiting:
            scene.play()
            scene.kill.problems += scene.check()
            print(scene.kill, flush=True)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _summary(kills: list[Kill]) -> str:
    """Return how many blows fell on a task at work."""
    late = sum("too late" in kill.notes or "it had ended" in kill.notes for kill in kills)
    return f"{len(kills) - late} blows fell before the task had ended, {late} after it"
