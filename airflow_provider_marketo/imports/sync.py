"""An import through the sync endpoints: up to 300 records a call, several calls at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes, operations
from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoStoppedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.retry import UPSERT
from airflow_provider_marketo.imports import state
from airflow_provider_marketo.imports.advice import TOO_LARGE
from airflow_provider_marketo.imports.existing import creation_dates
from airflow_provider_marketo.imports.outcomes import ALREADY_THERE, Outcome, judge, outcomes_of
from airflow_provider_marketo.imports.rejects import RejectRow
from airflow_provider_marketo.imports.staging import CALL_BYTES
from airflow_provider_marketo.imports.state import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.transport import Reply
    from airflow_provider_marketo.imports.plan import Chunk
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.staged import StagedImport
    from airflow_provider_marketo.imports.targets import Record, Stage

log = printable_logger(__name__)

TURNS = 30
"""Minutes that a call waits for its turn while other integrations use all calls of the instance."""

_SPLIT = frozenset({codes.TIMED_OUT, codes.HTTP_TOO_LARGE})
_OVERHEAD = 500


class SyncImport:
    """
    One try of an import.

    :param staged: the staged import.
    :param client: the instance.
    :param parallel: calls at once.
    :param values: values of parameters that are not in the request, by the names that stages use.
    :param there: returns whether a record is already in its list, so that it needs no call.
    :param clock: the time.
    """

    def __init__(
        self,
        staged: StagedImport,
        client: MarketoClient,
        *,
        parallel: int,
        values: Mapping[str, Any],
        there: Callable[[Record], bool] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._staged = staged
        self._client = client
        self._parallel = parallel
        self._values = values
        self._there = there or (lambda record: False)
        self._request = staged.request
        self._carried = staged.request.carried
        self._clock = clock or SystemClock()
        self._started = self._clock.monotonic()
        self._held_back: set[str] = set()
        for chunk in staged.chunks:
            found = staged.state(chunk).state
            if found == state.SENDING or (found == state.LOST and self._request.resends):
                self._lost(chunk)

    def run(self) -> None:
        """
        Send every chunk that is not done.

        Only this thread saves states; the threads of the pool only make calls.

        :raises MarketoError: the import was stopped. Its progress is saved, and another try continues from there.
        """
        staged = [chunk for chunk in self._staged.chunks if self._staged.state(chunk).state == state.STAGED]
        held_back = [chunk for chunk in staged if chunk.name in self._held_back]
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="marketo-sync") as pool:
            self._send_all([chunk for chunk in staged if chunk.name not in self._held_back], pool)
            # Chunks that another process may have been sending a moment ago come last: two simultaneous upserts of one
            # new lead create two leads.
            if held_back:
                self._let_settle()
                self._send_all(held_back, pool)

    def _send_all(self, chunks: Iterable[Chunk], pool: ThreadPoolExecutor) -> None:
        """
        Send chunks, and begin the next ones while fewer than ``parallel`` calls are under way.

        The states of chunks that end and of chunks that begin are saved in one write, so a free place waits for one
        write only.
        """
        coming = iter(chunks)
        going: dict[_Sending, set[_Call]] = {}
        failure: MarketoError | None = None
        while True:
            begun: list[_Sending] = []
            with self._staged.together():
                for sending in [each for each, calls in going.items() if not calls]:
                    failure = _advance(sending, going) or failure
                while failure is None and sum(map(len, going.values())) + len(begun) < self._parallel:
                    chunk = next(coming, None)
                    if chunk is None:
                        break
                    sending = self._send(chunk, pool)
                    failure = _advance(sending, going)
                    begun += [sending] if failure is None else []
            for sending in begun:
                failure = _advance(sending, going) or failure
            if not going and not begun:
                break
            if all(going.values()):
                done, _ = wait(set().union(*going.values()), return_when=FIRST_COMPLETED)
                for calls in going.values():
                    calls.difference_update(done)
        if failure is not None:
            raise failure

    def _let_settle(self) -> None:
        """Wait until Marketo has certainly ended the calls of a process that died."""
        stage = self._request.target.stages[0]
        operation = operations.get(stage.operation)
        if operation.retry_class({"action": self._request.action}) != UPSERT:
            return
        left = self._started + operation.timeout - self._clock.monotonic()
        if left > 0:
            log.info("Waiting %.0f seconds: a process that died may have sent the same records", left)
            self._clock.sleep(left)

    def _lost(self, chunk: Chunk) -> None:
        if self._request.resends:
            self._held_back.add(chunk.name)
            self._staged.put(chunk, self._staged.state(chunk).to_resend())
        else:
            self._staged.lose(chunk, "the task died while these rows were on their way")

    def _send(self, chunk: Chunk, pool: ThreadPoolExecutor) -> _Sending:
        """
        Send a chunk, and yield the calls to wait for before it continues.

        It first yields no calls: the chunk's state ``sending`` must be saved before its first call.

        :raises MarketoError: a call failed; the chunk's state after that is saved.
        """
        rows = self._staged.rows(chunk)
        records = [self._record(row) for row in rows]
        sending = self._staged.state(chunk)
        sending.state = state.SENDING
        sending.sent_at = sending.sent_at or self._client.marketo_time().isoformat()
        self._staged.put(chunk, sending)
        yield []
        sender = _Sender(
            self._client,
            self._request,
            self._values,
            sent_since=parse_date(sending.sent_at) if sending.resent else None,
            correlation=chunk.name,
            staged=self._staged,
        )
        outcomes: dict[int, Outcome] = {}
        try:
            for stage in self._request.target.stages:
                going = [
                    at
                    for at, record in enumerate(records)
                    if _goes_on(outcomes.get(at)) and stage.needs(record) and not self._there(record)
                ]
                calls = [pool.submit(sender.send, stage, records, batch) for batch in batches(stage, records, going)]
                for call in calls:
                    call.add_done_callback(partial(_cancel_after_failure, calls))
                yield calls
                for call in calls:
                    if not call.cancelled():
                        outcomes.update(call.result())
        except MarketoError as error:
            self._staged.count_calls(sender.calls)
            if sender.may_have_run and self._request.once:
                self._staged.lose(
                    chunk, f"a part of the call may have run before the rest was refused: {error.message}"
                )
            else:
                self._staged.put(chunk, sending.to_resend() if sender.may_have_run else state.ChunkState())
            raise
        self._staged.count_calls(sender.calls)
        self._settle(chunk, rows, outcomes)

    def _record(self, row: Sequence[Any]) -> Record:
        values = [
            (name, value)
            for name, value in zip(self._staged.plan.header, row, strict=True)
            if name not in self._carried
        ]
        if self._request.empty_fields == "clear":
            return {name: None if value == "" else value for name, value in values}
        return {name: value for name, value in values if value is not None and value != ""}

    def _settle(self, chunk: Chunk, rows: Sequence[Sequence[Any]], outcomes: Mapping[int, Outcome]) -> None:
        account = Account()
        lines = []
        numbers = self._staged.numbers(chunk)
        for at, row in enumerate(rows):
            outcome = outcomes.get(at, _NOTHING_TO_SAY)
            setattr(account, outcome.kind, getattr(account, outcome.kind) + 1)
            if outcome.kind == "accepted" and outcome.status in ("created", "updated"):
                setattr(account, outcome.status, getattr(account, outcome.status) + 1)
            if outcome.kind in ("rejected", "unknown"):
                lines.append(RejectRow(outcome.kind, outcome.code, outcome.message, numbers[at], row))
        # A lost chunk is sent again as a whole, if the author allows it; see ImportRequest.resends.
        lost = account.unknown and (account.unknown == chunk.rows or not self._request.once)
        self._staged.settle(chunk, state.LOST if lost else state.DONE, account, lines)


_NOTHING_TO_SAY = Outcome("accepted")

_Call = Future[dict[int, Outcome]]
_Sending = Iterator[list[_Call]]


def _advance(sending: _Sending, going: dict[_Sending, set[_Call]]) -> MarketoError | None:
    """Take a chunk to its next calls, or to its end; return the error that stops it."""
    going.pop(sending, None)
    try:
        going[sending] = set(next(sending))
    except StopIteration:
        pass
    except MarketoError as error:
        return error
    return None


def _cancel_after_failure(calls: Sequence[_Call], ended: _Call) -> None:
    """Cancel the calls that have not begun, after one call of a chunk's stage has failed."""
    if not ended.cancelled() and ended.exception() is not None:
        for call in calls:
            call.cancel()


def _goes_on(outcome: Outcome | None) -> bool:
    return outcome is None or outcome.kind == "accepted"


def batches(stage: Stage, records: Sequence[Record], going: Sequence[int]) -> Iterator[list[int]]:
    """Yield the positions of the records of each call: all of one group, within the limits of records and bytes."""
    by_group: dict[Any, list[int]] = {}
    for at in going:
        by_group.setdefault(records[at].get(stage.group) if stage.group else None, []).append(at)
    for members in by_group.values():
        batch: list[int] = []
        size = _OVERHEAD
        for at in members:
            bytes_of = len(json.dumps(stage.item(records[at]), default=str)) + 2
            if batch and (len(batch) == stage.most or size + bytes_of > CALL_BYTES):
                yield batch
                batch, size = [], _OVERHEAD
            batch.append(at)
            size += bytes_of
        yield batch


class _Sender:
    """
    Sends batches of a chunk, from any thread.

    :param sent_since: when the chunk was first sent, on Marketo's clock, if it was sent before; otherwise None.
    :param correlation: names the chunk for data ingestion.
    """

    def __init__(
        self,
        client: MarketoClient,
        request: ImportRequest,
        values: Mapping[str, Any],
        *,
        sent_since: datetime | None,
        correlation: str,
        staged: StagedImport,
    ) -> None:
        self._client = client
        self._request = request
        self._values = values
        self._correlation = correlation
        self._staged = staged
        self._sent_since = sent_since
        self.calls = 0
        self.may_have_run = sent_since is not None

    def send(
        self, stage: Stage, records: Sequence[Record], batch: Sequence[int], sent_since: datetime | None = None
    ) -> dict[int, Outcome]:
        """
        Make one call, or several if it is too much for Marketo.

        :param sent_since: when these records were first sent, if they were part of a larger call that was split.
        :return: position to outcome.
        """
        sent_since, now = sent_since or self._sent_since, self._client.marketo_time()
        parameters = self._parameters(stage, records[batch[0]])
        parameters[stage.batch] = [stage.item(records[at]) for at in batch]
        self.calls += 1
        try:
            reply = self._in_turn(stage.operation, parameters)
        except MarketoAmbiguousOutcomeError as error:
            self.may_have_run = True
            if not self._request.once and not stage.submits:
                raise
            return dict.fromkeys(batch, Outcome("unknown", code="unknown", message=error.message))
        except (MarketoTransientError, MarketoInvalidRequestError) as error:
            self.may_have_run |= error.executed
            too_large = error.code in _SPLIT or (error.code is None and "body of" in error.message)
            if not too_large:
                raise
            if len(batch) > 1:
                half = len(batch) // 2
                log.info("A call with %d records was too much for Marketo and is split", len(batch))
                since = sent_since or (now if error.executed else None)
                return self.send(stage, records, batch[:half], since) | self.send(stage, records, batch[half:], since)
            if error.code == codes.TIMED_OUT:
                raise
            return {batch[0]: Outcome("rejected", code=TOO_LARGE, message="the row is larger than Marketo takes")}
        except MarketoError as error:
            self.may_have_run |= error.executed
            raise
        self.may_have_run = True
        if stage.submits:
            return dict.fromkeys(batch, Outcome("submitted"))
        outcomes = outcomes_of(stage, batch, reply.records)
        if sent_since is None and reply.resent:
            sent_since = now
        return outcomes if sent_since is None else self._judged(records, outcomes, sent_since)

    def _judged(
        self, records: Sequence[Record], outcomes: dict[int, Outcome], sent_since: datetime
    ) -> dict[int, Outcome]:
        """Distinguish records that an earlier sending has created from records that existed before."""
        doubtful = [at for at, outcome in outcomes.items() if outcome.code in ALREADY_THERE]
        if not doubtful:
            return outcomes
        found = creation_dates(self._client, self._request, self._staged.plan.key, [records[at] for at in doubtful])
        self.calls += found.calls
        for at, dates in zip(doubtful, found.dates, strict=True):
            outcomes[at] = judge(outcomes[at], dates, sent_since)
        return outcomes

    def _in_turn(self, operation: str, parameters: Mapping[str, Any]) -> Reply:
        """Make a call. While other integrations use all calls of the instance, wait for a turn."""
        may_have_run = False
        for turn in itertools.count(1):
            if self._staged.keeper.stopped:
                break
            try:
                reply = self._client.call(operation, **parameters)
                return replace(reply, resent=reply.resent or may_have_run)
            except MarketoError as error:
                may_have_run = error.executed = error.executed or may_have_run
                if turn == TURNS or not isinstance(error, MarketoThrottledError):
                    raise
                log.info("%s", error)
        raise MarketoStoppedError("the task was killed", executed=may_have_run)

    def _parameters(self, stage: Stage, first: Record) -> dict[str, Any]:
        parameters = {
            name: value
            for attribute, name in stage.parameters.items()
            if (value := self._values.get(attribute, getattr(self._request, attribute, None))) is not None
        }
        if stage.group:
            parameters[stage.group] = first[stage.group]
        if stage.submits:
            parameters["X-Correlation-Id"] = f"{self._values['correlation']}/{self._correlation}"
        return parameters
