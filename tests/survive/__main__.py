"""
The fault campaign and the kill campaign: they make many seeded runs, and print a verdict in the last line.

    python -m tests.survive --runs 200
    python -m tests.survive --seed 1234 --runs 1
    python -m tests.survive --kills 60 --executor local

It exits with 1 if anything was lost, doubled, orphaned, hung or wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.survive.kills.blows import CELERY, LOCAL
from tests.survive.kills.campaign import campaign
from tests.survive.kills.plan import WORDS
from tests.survive.run import run
from tools.separate_hosts import SeparateHostError
from tools.services import ServiceMissingError


def main() -> int:
    """Run what the command line says and print each run that went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.survive", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="how many runs; default 200")
    parser.add_argument("--seed", type=int, help="seed of the first run; the others follow it. Default: a fresh one")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time; default 2")
    parser.add_argument("--kills", type=int, help="kill a real Airflow's tasks and components instead, N times")
    parser.add_argument("--executor", choices=(LOCAL, CELERY), default=LOCAL, help="its executor; default local")
    parser.add_argument("--verbose", action="store_true", help="print each run, with its faults and tries")
    arguments = parser.parse_args()
    if arguments.kills is not None:
        try:
            return campaign(arguments.kills, arguments.seed, arguments.executor)
        except (SeparateHostError, ServiceMissingError) as error:
            print(error, file=sys.stderr)
            return 1
    first = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print(f"seeds {first} to {first + arguments.runs - 1}", flush=True)
    found: Counter[str] = Counter()
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(run, range(first, first + arguments.runs)):
            found.update({word for word, _ in outcome.problems})
            if arguments.verbose or outcome.problems:
                print(outcome)
                print("  " + "\n  ".join([*map(json.dumps, outcome.faults), *outcome.log]), flush=True)
    print(f"{arguments.runs} runs: {', '.join(f'{found[word]} {word}' for word in WORDS)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
