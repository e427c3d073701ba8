"""
How many examples a property is tried with.

A usual run tries few; ``EVERYTHING=1``, as the nightly run sets it, tries eight times as many.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

THOROUGH = bool(os.environ.get("EVERYTHING"))
USUAL = 100
"""Hypothesis's own number, for properties that name no number."""


def examples(number: int) -> int:
    """
    Return how many examples this run tries.

    :param number: how many examples test the property well. A usual run tries a quarter of it, and a thorough run twice
        as many.
    """
    return number * 2 if THOROUGH else max(1, number // 4)


def load_profile() -> None:
    """Let Hypothesis use these numbers, without its limits of time, which a busy machine exceeds."""
    settings.register_profile(
        "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=examples(USUAL)
    )
    settings.load_profile("patient")
