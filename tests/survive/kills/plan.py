"""The plan of a campaign: the kill that each seed stands for, and the verdict on the results."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.survive.job import DOUBLED, LOST, ORPHANED, WRONG
from tests.survive.kills.blows import BLOWS, Blow
from tests.survive.kills.kinds import DEFERRED, KINDS, Kind
from tests.survive.run import HUNG

WORDS = (LOST, DOUBLED, ORPHANED, HUNG, WRONG)
CALLS, LONGEST_WAIT, LONGEST_OUTAGE = 7, 8.0, 25.0


@dataclass
class Kill:
    """
    One task and the blow that it has to survive.

    :param seed: replays it.
    :param kind: the kind of the task.
    :param blow: what happens to it.
    :param moment: what the task does when the blow falls.
    :param calls: calls to Marketo that it has made since then; ignored for a task that waits in the triggerer.
    :param wait: seconds after that.
    :param outage: seconds until what was stopped, cut off or killed is back.
    :param problems: what is wrong in the end: a word and a text.
    :param notes: what happened.
    """

    seed: int
    kind: Kind
    blow: Blow
    moment: str
    calls: int
    wait: float
    outage: float
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = "; ".join(f"{word}: {text}" for word, text in self.problems) or "ok"
        notes = f" ({', '.join(self.notes)})" if self.notes else ""
        moment = f"{self.wait} s after {self.calls} calls while {self.moment}"
        what = f"{self.kind.dag_id}, {self.blow.name}, {moment}, for {self.outage} s"
        return f"seed {self.seed}: {what}{notes}: {verdict}"


def kill_of(seed: int, executor: str) -> Kill:
    """
    Return the kill that a seed stands for. Seeds that follow each other take all kinds of task in turn.

    :param executor: ``local`` or ``celery``.
    """
    chance = random.Random(f"{seed} {executor}")
    kind = KINDS[seed % len(KINDS)]
    blow = chance.choice([blow for blow in BLOWS if blow.fits(kind, executor)])
    moment = blow.only_while or chance.choice(kind.moments)
    calls = 0 if moment == DEFERRED else chance.randrange(CALLS)
    wait = chance.uniform(0, 1 if calls else LONGEST_WAIT)
    return Kill(seed, kind, blow, moment, calls, round(wait, 1), round(chance.uniform(1, LONGEST_OUTAGE), 1))


def verdict(kills: Iterable[Kill], at_the_end: Iterable[tuple[str, str]] = ()) -> tuple[str, bool]:
    """
    Return the last line, and whether all is well.

    :param at_the_end: problems that belong to no kill.
    """
    all_kills = list(kills)
    found = Counter(word for kill in all_kills for word in {word for word, _ in kill.problems})
    found.update(word for word, _ in at_the_end)
    return f"{len(all_kills)} kills: {', '.join(f'{found[word]} {word}' for word in WORDS)}", not found
