"""Bulk imports: the kinds of object, and the life of an import job."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from airflow_provider_marketo.client.bulk.jobs import whole_number
from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoInvalidRequestError,
    MarketoNotFoundError,
    MarketoPermissionError,
    MarketoQueueFullError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.governor import IMPORT_QUEUE
from airflow_provider_marketo.client.ids import id_of
from airflow_provider_marketo.client.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.transport import Reply

Answer = TypeVar("Answer")

QUEUED, IMPORTING, COMPLETE, FAILED = "queued", "importing", "complete", "failed"
FAILURES, WARNINGS = "failures", "warnings"
REASON_COLUMNS: Mapping[str, str] = {FAILURES: "Import Failure Reason", WARNINGS: "Import Warning Reason"}
"""Columns that Marketo adds to the rows of its reports."""

TRIES = 4
"""How many times a task asks Marketo for an import by its id, or for the counters and reports of an ended import."""

PAUSE = 5.0
"""Seconds between two of these requests."""

UPLOAD_LAPSE = 900.0
"""Seconds after which the place of an upload is free again if its process was killed."""

QUEUE_CHECK = 30.0
"""Seconds between two polls of the imports that hold our places; all processes together poll this often."""

_SPELLINGS = {"completed": COMPLETE, "processing": IMPORTING, "importing": IMPORTING}


@dataclass(frozen=True)
class ImportObject:
    """
    One kind of object that can be imported.

    :param name: the value of ``object_type``.
    :param family: family of its operations in the catalogue.
    :param describes: operations that list its fields; the header may have names from all of them.
    :param key: columns that tell rows apart; empty if describe says which they are.
    :param needs: arguments of an import that must be given.
    :param takes: optional arguments of an import that only some kinds of object take.
    :param may_fire_campaigns: whether importing a row twice may start a campaign twice.
    :param status_path: parameters that its other operations take besides the batch id.
    :param processed: Marketo's name for the counter of rows that were loaded.
    """

    name: str
    family: str
    describes: tuple[str, ...]
    key: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    may_fire_campaigns: bool = False
    status_path: tuple[str, ...] = ()
    processed: str = "numOfLeadsProcessed"

    @property
    def custom(self) -> bool:
        """Whether this kind has several types, so that ``custom_object`` must name one."""
        return "custom_object" in self.needs

    def operation(self, action: str) -> str:
        """The catalogue's name of one of the four import operations, such as ``get_status``."""
        return f"{self.family}.{action}"


OBJECTS: Mapping[str, ImportObject] = {
    one.name: one
    for one in (
        ImportObject(
            "leads",
            "bulk_import_leads",
            ("leads.describe",),
            key=("email",),
            takes=("lookup_field", "list_id", "partition_name"),
        ),
        ImportObject(
            "program_members",
            "bulk_import_program_members",
            ("leads.describe", "program_members.describe"),
            key=("email",),
            needs=("program_id", "program_member_status"),
            may_fire_campaigns=True,
        ),
        ImportObject(
            "custom_objects",
            "bulk_import_custom_objects",
            ("custom_objects.describe",),
            needs=("custom_object",),
            status_path=("apiName",),
            processed="numOfObjectsProcessed",
        ),
    )
}


def import_object(name: str) -> ImportObject:
    """
    Return the kind of object with a name.

    :param name: the value of ``object_type``.
    :raises MarketoInvalidRequestError: Marketo does not import such objects.
    """
    try:
        return OBJECTS[name]
    except KeyError:
        raise MarketoInvalidRequestError(
            f"object_type={name!r} cannot be imported in bulk",
            parameter="object_type",
            remedy=f"Use one of {', '.join(OBJECTS)}; MarketoSyncOperator writes other objects.",
        ) from None


@dataclass(frozen=True)
class ImportJob:
    """
    What Marketo says about an import. Everything except id and status may be missing.

    :param batch_id: Marketo's id, and the only way to the job: there is no list of imports.
    :param status: one of the constants above, even if Marketo spells it differently; unknown words are kept.
    :param processed: rows that were imported, with or without a warning; None if Marketo does not say.
    :param failed: rows that were not imported; None if Marketo does not say.
    :param warned: rows that were imported with a warning; None if Marketo does not say.
    :param message: Marketo's message.
    """

    batch_id: int
    status: str
    processed: int | None = None
    failed: int | None = None
    warned: int | None = None
    message: str = ""

    @classmethod
    def from_record(cls, record: Mapping[str, Any], processed: str) -> ImportJob:
        """Read an item of Marketo's answer."""
        status = str(record.get("status") or "").lower()
        return cls(
            batch_id=id_of(record, "an import", "batchId"),
            status=_SPELLINGS.get(status, status),
            processed=whole_number(record.get(processed)),
            failed=whole_number(record.get("numOfRowsFailed")),
            warned=whole_number(record.get("numOfRowsWithWarning")),
            message=printable(record.get("message") or ""),
        )

    @property
    def counted(self) -> bool:
        """Whether Marketo's answer has the counters. Without them, no row is surely imported."""
        return self.processed is not None and self.failed is not None

    @property
    def ended(self) -> bool:
        """Whether the import has ended."""
        return self.status in (COMPLETE, FAILED)


class ImportJobs:
    """
    Imports of one kind of object.

    :param client: the instance.
    :param kind: kind of object.
    :param custom_object: API name of the custom object type; only for ``custom_objects``.
    :param clock: the clock.
    """

    def __init__(
        self,
        client: MarketoClient,
        kind: ImportObject,
        custom_object: str | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self.kind = kind
        self._path: Mapping[str, Any] = dict.fromkeys(kind.status_path, custom_object)
        self._counted: set[int] = set()
        self._mine: set[str] = set()

    def start(self, data: bytes, *, hold_place: bool = True, **parameters: Any) -> ImportJob:
        """
        Upload a CSV file and queue its import (``bulk_import_*.import``).

        :param data: the file, header included.
        :param hold_place: whether the job takes a place in our count of the queue at once. A caller that must remember
            the job passes False, writes the job down, and then calls :meth:`hold_place`. Otherwise a process that
            is killed in between would leave a place that no later try gives back.
        :param parameters: parameters in Adobe's spelling: ``lookupField``, ``listId``, ``partitionName``,
            ``programId``, ``programMemberStatus``.
        :raises MarketoQueueFullError: ten imports are ahead (1016), our other imports hold all places that we may
            use, or another import into the list is running (1019).
        :raises MarketoInvalidRequestError: Marketo refuses the file; with code ``HTTP 413`` for its size.
        :raises MarketoAmbiguousOutcomeError: the file may have been queued, and imports cannot be looked up.
        """
        operation, place = self.kind.operation("import"), f"upload:{uuid4().hex}"
        self._take_place(place)
        try:
            reply = self._client.call(operation, file=("rows.csv", data, "text/csv"), **self._path, **parameters)
        finally:
            self._client.governor.leave_queue(IMPORT_QUEUE, [place])
        self._client.tally.moved(len(data))
        record = _first(reply)
        if not str(record.get("batchId") or "").isdigit():
            raise MarketoAmbiguousOutcomeError(
                "Marketo accepted the file but named no batch", operation=operation, request_id=reply.request_id
            )
        job = ImportJob.from_record(record, self.kind.processed)
        if hold_place:
            self.hold_place(job.batch_id)
        return job

    def hold_place(self, batch_id: int) -> None:
        """Count an import among those that fill Marketo's queue."""
        self._mine.add(self._place(batch_id))
        with suppress(MarketoQueueFullError):  # the job is queued, even if another one took our place meanwhile
            self._client.governor.enter_queue(IMPORT_QUEUE, self._place(batch_id))

    def give_back(self, batch_ids: Collection[int]) -> None:
        """Stop counting imports that no task waits for: Marketo itself says when its queue is full (1016)."""
        self._client.governor.leave_queue(IMPORT_QUEUE, list(map(self._place, batch_ids)))

    def _place(self, batch_id: int) -> str:
        """Return the name of an import's place. It has the id by which other processes ask Marketo for the import."""
        return ":".join([self.kind.name, *map(str, self._path.values()), str(batch_id)])

    def _take_place(self, place: str) -> None:
        """Take a place for an upload. If all are taken, first free the places of other tasks' ended imports."""
        governor = self._client.governor
        try:
            governor.enter_queue(IMPORT_QUEUE, place, UPLOAD_LAPSE)
        except MarketoQueueFullError:
            if not governor.claim("import_queue", QUEUE_CHECK):
                raise
            for held in set(governor.queued(IMPORT_QUEUE)) - self._mine:
                self._free_if_ended(held)
            governor.enter_queue(IMPORT_QUEUE, place, UPLOAD_LAPSE)

    def _free_if_ended(self, place: str) -> None:
        """Free the place of an import that has ended. The task that started it may have been killed."""
        name, _, rest = place.partition(":")
        *path, batch_id = rest.split(":")
        kind = OBJECTS.get(name)
        if kind is None or not batch_id.isdecimal() or len(path) != len(kind.status_path):
            return  # an upload that is under way
        try:
            # The import is another task's: its rows do not count among this task's rows.
            has_ended = ImportJobs(self._client, kind, *path, clock=self._clock)._ask(int(batch_id)).ended
        except MarketoNotFoundError:
            has_ended = True
        except (MarketoInvalidRequestError, MarketoPermissionError):
            return
        if has_ended:
            self._client.governor.leave_queue(IMPORT_QUEUE, [place])

    def status(self, batch_id: int) -> ImportJob:
        """
        Ask for one import (``bulk_import_*.get_status``).

        :raises MarketoNotFoundError: Marketo no longer knows it; it forgets imports after seven days.
        """
        self._mine.add(self._place(batch_id))
        job = self._ask(batch_id)
        if job.ended:
            self.give_back([batch_id])
            if batch_id not in self._counted:
                self._counted.add(batch_id)
                self._client.tally.add_rows((job.processed or 0) + (job.failed or 0))
        return job

    def _ask(self, batch_id: int) -> ImportJob:
        reply = self._client.call(self.kind.operation("get_status"), batchId=batch_id, **self._path)
        return ImportJob.from_record({**_first(reply), "batchId": batch_id}, self.kind.processed)

    def outcome(self, batch_id: int) -> ImportJob:
        """
        Ask for one import, and again if it is unknown or has ended without its counters.

        :raises MarketoNotFoundError: Marketo no longer knows it.
        """
        return self._asked_again(lambda: self.status(batch_id), lambda job: job.counted or not job.ended)

    def any_ended(self, batch_ids: Collection[int]) -> bool:
        """Whether one of several imports has ended. Asks for each of them, as Marketo has no list of imports."""
        return any(self.status(each).ended for each in batch_ids)

    def report(self, batch_id: int, report: str) -> bytes:
        """
        Return the rows that failed or were loaded with a warning (``bulk_import_*.get_failures``, ``get_warnings``).

        :param report: :data:`FAILURES` or :data:`WARNINGS`.
        :return: a CSV file.
        :raises MarketoNotFoundError: Marketo has no such file.
        """
        return self._asked_again(lambda: self._read(f"get_{report}", batch_id), lambda _: True)

    def _asked_again(self, ask: Callable[[], Answer], is_enough: Callable[[Answer], bool]) -> Answer:
        """Ask until Marketo answers, or until the tries are used up."""
        for left in reversed(range(TRIES)):
            try:
                answer = ask()
                if is_enough(answer) or not left:
                    return answer
            except (MarketoNotFoundError, MarketoTransientError):
                if not left:
                    raise
            self._clock.sleep(PAUSE)
        raise AssertionError  # the last round returns or raises

    def _read(self, action: str, batch_id: int) -> bytes:
        with self._client.download(self.kind.operation(action), batchId=batch_id, **self._path) as download:
            return b"".join(download.blocks)


def _first(reply: Reply) -> Mapping[str, Any]:
    """Return the only record of a reply; an empty one if Marketo left it out."""
    record = next(iter(reply.records), None)
    return record if isinstance(record, dict) else {}
