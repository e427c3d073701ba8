"""A task whose requests must not run twice: its connection, its ledger, and its dry run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.at_most_once.entries import Sending, sending_of
from airflow_provider_marketo.at_most_once.files import NamedFiles
from airflow_provider_marketo.at_most_once.how_to_check import how_to_check
from airflow_provider_marketo.at_most_once.ledger import Ledger
from airflow_provider_marketo.at_most_once.stores import store_of
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.link import push_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)


@dataclass(frozen=True)
class OnceCall:
    """
    A call, and its entry in the ledger.

    :param sending: the call's description for the ledger.
    :param parameters: the call's parameters, in Adobe's spelling.
    """

    sending: Sending
    parameters: Mapping[str, Any]


class OnceTask:
    """
    One try of a task that makes requests at most once.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments: ``ledger``, ``on_ambiguous``, ``force`` and ``dry_run``; also
        ``named_files`` if arguments may name files.
    :ivar files: reads the files that arguments name.
    :raises MarketoInvalidRequestError: no file system is registered for the ledger's URL.
    """

    def __init__(self, context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> None:
        self.context = context
        self.hook = hook
        self.dry_run: bool = arguments["dry_run"]
        map_index: int | None = getattr(context["ti"], "map_index", None)
        self.files = NamedFiles(arguments.get("named_files", {}), mapped=map_index is not None and map_index >= 0)
        self.ledger = Ledger(
            store_of(arguments["ledger"], context["ti"]),
            on_ambiguous=arguments["on_ambiguous"],
            force=arguments["force"],
        )

    @cached_property
    def client(self) -> MarketoClient:
        """The instance."""
        return self.hook.get_conn()

    def link(self, records: Iterable[Any]) -> None:
        """
        Link the task's page in Airflow to a Marketo asset.

        :param records: Marketo assets; the first that has an address in Marketo's UI is linked.
        """
        push_link(self.context, records)

    def sending(self, operation: str, content: Any, what: str) -> Sending:
        """
        Describe a request of this task instance to the ledger.

        :param operation: name of the operation.
        :param content: everything that makes this request different from another.
        :param what: the request in words, without lead data beyond ids and counts.
        """
        return sending_of(
            self.context,
            instance=self.client.instance,
            operation=operation,
            content=content,
            what=what,
            how_to_check=how_to_check(operation),
        )

    def send_all(self, calls: Sequence[OnceCall], check: Callable[[], object] | None = None) -> tuple[int, int]:
        """
        Make the calls that no earlier try has made.

        :param calls: the calls, in order.
        :param check: checks that Marketo will accept them; called once, and only if a call is left to make.
        :return: how many calls this try made (or would make, in a dry run), and how many earlier tries made.
        :raises MarketoAmbiguousOutcomeError: a call may or may not have run.
        """
        waiting = [call for call in calls if self.ledger.earlier(call.sending) is None]
        if waiting and check is not None:
            check()
        for number, call in enumerate(waiting, 1):
            if self.dry_run:
                log.info("Would call %s: %s", call.sending.operation, call.sending.what)
                continue
            self._send(call)
            log.info("Sent %s (%d of %d)", call.sending.what, number, len(waiting))
        return len(waiting), len(calls) - len(waiting)

    def _send(self, call: OnceCall) -> None:
        self.ledger.once(call.sending, lambda: self.client.call(call.sending.operation, **call.parameters).result)
