"""The steps of ``airflow marketo verify``, what they cost, and the report."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_marketo import __version__
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoAuthError, MarketoConnectionError
from airflow_provider_marketo.client.printable import printable
from airflow_provider_marketo.diagnosis import reply_steps
from airflow_provider_marketo.diagnosis.behaviour_steps import MOST_POLLS, Behaviour
from airflow_provider_marketo.diagnosis.comparison import Comparison, Verdict
from airflow_provider_marketo.diagnosis.raw import RawInstance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_provider_marketo.hooks.settings import ConnectionSettings


class Step(NamedTuple):
    """
    A part of the comparison.

    :param does: what it does, for the plan.
    :param calls: calls that it makes at most.
    :param run: makes them and compares.
    """

    does: str
    calls: int
    run: Callable[[RawInstance], Iterator[Comparison]]


def steps(poll_interval: float = 60.0) -> tuple[Step, ...]:
    """
    Return the steps, in their order.

    :param poll_interval: seconds between two polls of the export job.
    """
    behaviour = Behaviour(poll_interval)
    return (
        Step("ask for a token twice", 2, reply_steps.tokens),
        Step("read the day's usage", 1, behaviour.usage_before),
        Step("describe leads", 2, reply_steps.describe_leads),
        Step("describe program members", 1, reply_steps.describe_members),
        Step("list types of activities", 1, reply_steps.activity_types),
        Step("list campaigns, static lists, custom object types, programs and e-mails", 5, reply_steps.lists),
        Step("make calls that Marketo refuses", len(reply_steps.ERRORS), reply_steps.errors),
        Step("read a page of the activities of the last day", 2, behaviour.feed),
        Step("export at most one hour of activities", 5 + MOST_POLLS, behaviour.export),
        Step("list export jobs; create a job that is cancelled at once and exports nothing", 3, behaviour.jobs),
        Step("read the usage again, of the day and of a week", 3, behaviour.usage_after),
    )


def plan(conn_id: str, instance: str) -> str:
    """Return what will be done, for a person to agree to."""
    lines = [f"{counted(step.calls, 'call'):>10}  {step.does}" for step in steps()]
    total = counted(sum(step.calls for step in steps()), "call")
    return "\n".join(
        [
            f"Compares {instance} (connection {conn_id}) with what this package expects of Marketo. Changes nothing:",
            *lines,
            f"{total:>10} at most, and the export quota for an hour of activities. The file is not kept.",
        ]
    )


def verify(settings: ConnectionSettings) -> Iterator[Comparison]:
    """
    Compare an instance with what this package expects.

    :param settings: the connection.
    :raises MarketoConnectionError: the instance does not answer at all.
    :raises MarketoAuthError: it refuses the credentials.
    """
    instance = RawInstance(settings)
    for step in steps(settings.poll_interval):
        try:
            yield from step.run(instance)
        except (MarketoAuthError, MarketoConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - a reply may have any form, and its values may be in the error
            yield Comparison(f"step: {step.does}", "a reply that can be read", type(error).__name__, "differs")
    yield Comparison("calls made", "at most 40", str(instance.calls), "as expected")


def markdown(comparisons: Sequence[Comparison]) -> str:
    """Return the report: differences first. It names no instance, no user and no value of a record."""
    order: tuple[Verdict, ...] = ("differs", "not seen", "as expected")
    counts = Counter(each.verdict for each in comparisons)
    lines = [
        "# Report of `airflow marketo verify`",
        "",
        f"airflow-provider-marketo {__version__}, Airflow {version('apache-airflow')}, "
        f"{datetime.now(timezone.utc).date().isoformat()}: "
        f"{', '.join(f'{counts[verdict]} {verdict}' for verdict in order)}.",
        "",
        "| result | what | expected | seen |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {each.verdict} | {_cell(each.subject)} | {_cell(each.expected)} | {_cell(each.seen)} |"
        for each in sorted(comparisons, key=lambda each: order.index(each.verdict))
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return escape(printable(text), quote=False).replace("|", "\\|")
