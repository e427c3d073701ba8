"""The trigger that waits for import jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo.triggers.connection import blocking, settings_of
from airflow_provider_marketo.triggers.events import event_of
from airflow_provider_marketo.triggers.killed import WAITS, state_of, task_of, to_its_end
from airflow_provider_marketo.triggers.poller import Ask, run_in_thread, wait_for_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.errors import MarketoError
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

ENDED = "ended"


class MarketoBulkImportTrigger(BaseTrigger):
    """
    Fire when one of several imports has ended, successfully or not, or when the deadline has passed.

    Marketo has no list of imports: a poll costs a call for each import. Airflow stores the arguments in clear text:
    they are only ids. Imports cannot be cancelled. If a person clears or ends the task meanwhile, the trigger gives
    back their places in our count of Marketo's import queue (Airflow 3.3).

    :param marketo_conn_id: id of the connection.
    :param object_type: ``leads``, ``program_members`` or ``custom_objects``.
    :param batch_ids: ids of the imports.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two polls.
    :param custom_object: API name of the custom object type.
    """

    def __init__(
        self,
        *,
        marketo_conn_id: str,
        object_type: str,
        batch_ids: list[int],
        deadline: str,
        poll_interval: float,
        custom_object: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.marketo_conn_id = marketo_conn_id
        self.object_type = object_type
        self.batch_ids = batch_ids
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.custom_object = custom_object

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores, in clear text, to create the trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "object_type": self.object_type,
            "batch_ids": self.batch_ids,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
            "custom_object": self.custom_object,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event of the trigger."""
        yield await event_of(self._wait(), self.deadline)

    async def on_kill(self) -> None:
        """
        Give back the places of imports that no try waits for.

        Airflow also calls this when the trigger only moves to another triggerer; the places then stay taken.
        """
        await to_its_end(self._give_back())

    async def _give_back(self) -> None:
        task = task_of(self)
        if task is not None and await run_in_thread(lambda: state_of(task)) in WAITS:
            return
        settings = await settings_of(self.marketo_conn_id)
        await run_in_thread(
            lambda: blocking().give_back_imports(settings, self.object_type, self.custom_object, self.batch_ids)
        )

    async def _wait(self) -> dict[str, Any]:
        settings = await settings_of(self.marketo_conn_id)
        await wait_for_answer(
            ("imports", settings, self.object_type, self.custom_object),
            lambda: _asking(settings, self.object_type, self.custom_object),
            frozenset(self.batch_ids),
            self.poll_interval,
            waits_out_quota=False,
        )
        return {"status": ENDED}


def _asking(settings: ConnectionSettings, object_type: str, custom_object: str | None) -> Ask[frozenset[int], bool]:
    """Ask whether one of some imports has ended."""
    client: MarketoClient | None = None

    def look(wanted: Collection[frozenset[int]]) -> Mapping[frozenset[int], bool | MarketoError]:
        nonlocal client
        if client is None:
            client = blocking().hook(settings).get_conn()
        answers: Mapping[frozenset[int], bool | MarketoError]
        answers = blocking().ended_imports(client, object_type, custom_object, wanted)
        return answers

    async def ask(wanted: Collection[frozenset[int]]) -> Mapping[frozenset[int], bool | MarketoError]:
        return await run_in_thread(lambda: look(wanted))

    return ask
