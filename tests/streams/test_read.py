"""Several passes of a feed are read at the same time, and their pages come in turn."""

from __future__ import annotations

from threading import Event

from airflow_provider_marketo.streams.read import together


def test_pages_come_in_turn_even_if_a_later_pass_answers_first():
    """A run that is repeated then writes its rows in the same order."""
    second_has_answered = Event()

    def first():
        assert second_has_answered.wait(10)
        yield from ("first 1", "first 2", "first 3")

    def second():
        second_has_answered.set()
        yield from ("second 1", "second 2")

    assert list(together([first(), second()], threads=2)) == ["first 1", "second 1", "first 2", "second 2", "first 3"]
