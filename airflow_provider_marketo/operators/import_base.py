"""What all operators that send rows to Marketo have in common: their arguments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from airflow_provider_marketo.arguments import Check, choice, flag, is_filled_in_later, mapping, text
from airflow_provider_marketo.choices import (
    OnDuplicates,
    OnLostUpload,
    OnQuotaExhausted,
    OnUnknown,
    RejectsFormat,
    SourceFormat,
)
from airflow_provider_marketo.client.counts import named_type
from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError, MarketoInvalidRequestError
from airflow_provider_marketo.conversions import as_list, shown
from airflow_provider_marketo.operators.asking import AsksPerson
from airflow_provider_marketo.operators.base import MarketoJobOperator
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.failures import fails_plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import PurePath

    from airflow.sdk import Context, ObjectStoragePath

Source: TypeAlias = "str | PurePath | ObjectStoragePath | Sequence[str | PurePath | ObjectStoragePath]"
Records: TypeAlias = "Iterable[Mapping[str, Any]] | Callable[[], Iterable[Mapping[str, Any]]]"


def paths(parameter: str, value: Any) -> tuple[Any, ...] | None:
    """Check files: a path, URL, glob or ``ObjectStoragePath``, or a list of them. Return them, or None."""
    found = as_list(parameter, value)
    for each in found or ():
        is_path = isinstance(each, str) and each.strip() and "\0" not in each
        if not is_path and not hasattr(each, "joinpath"):  # every kind of path has it
            raise MarketoInvalidRequestError(
                f"{parameter} holds {named_type(each)} that is not a path",
                parameter=parameter,
                remedy="Give a path, URL, glob or ObjectStoragePath, or a list of them.",
            )
    return found


def required_paths(parameter: str, value: Any) -> tuple[Any, ...]:
    """Check files as :func:`paths` does, and refuse a missing value."""
    found = paths(parameter, value)
    if found is None:
        raise MarketoInvalidRequestError(f"{parameter} is required, and nothing was given", parameter=parameter)
    return found


def records(parameter: str, value: Any) -> Any:
    """Check records: a list of mappings, or a function that returns one. Their contents are read later."""
    is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    if value is None or callable(value) or (is_list and not is_filled_in_later(value)):
        return value
    raise MarketoInvalidRequestError(
        f"{parameter} is {named_type(value)}, not a list of records",
        parameter=parameter,
        remedy="Give a list of mappings, or a function that returns one. Records cannot come from a template or an"
        " XCom, because Airflow stores and shows these: write such records to a file, and give it as source.",
    )


def placeholders(parameter: str, value: Any) -> Any:
    """
    Check values for the placeholders of a statement: a mapping by name, or a list in the statement's order.

    A template makes text of either. Any other text is one value; a driver would take each of its characters for a
    value.
    """
    if isinstance(value, (Set, bytes, bytearray)):
        raise MarketoInvalidRequestError(
            f"{parameter} is {named_type(value)}, which cannot fill placeholders in their order",
            parameter=parameter,
            remedy="Give a list, a tuple or a mapping.",
        )
    if isinstance(value, Mapping):
        return dict(value)
    with suppress(MarketoInvalidRequestError):
        if isinstance(value, str) and (found := mapping()(parameter, value)):
            return found
    return as_list(parameter, value)


def delimiter_sign(parameter: str, value: Any) -> str | None:
    """Check the sign between the cells of a csv file: one character; a tab may be written as its escape."""
    if value is None or value == "":
        return None
    found = "\t" if value == "\\t" else value
    if not isinstance(found, str) or len(found) != 1 or found in '\r\n"':
        raise MarketoInvalidRequestError(
            f"{parameter}={shown(value)} is not one character",
            parameter=parameter,
            remedy="Give a character such as ';', or '\\t' for a tab.",
        )
    return found


INPUT_CHECKS: Mapping[str, Check] = {
    "source": paths,
    "source_format": choice(SourceFormat, required=False),
    "delimiter": delimiter_sign,
    "sql": text(),
    "sql_conn_id": text(),
    "records": records,
    "lookup_field": text(),
}
"""Checks of the arguments for rows that name leads. Some operators also take ``lead_ids``."""

INPUT_TEMPLATE_FIELDS = ("source", "sql", "sql_conn_id", "lookup_field")


def ratio(parameter: str, value: Any) -> float:
    """Check a part of the rows, from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise MarketoInvalidRequestError(f"{parameter}={shown(value)} is not between 0 and 1", parameter=parameter)
    return float(value)


def removals(parameter: str, value: Any) -> float:
    """Check a number of members, or a share of them: a fraction below one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MarketoInvalidRequestError(f"{parameter}={shown(value)} is not a number", parameter=parameter)
    if math.isnan(value):
        raise MarketoInvalidRequestError(f"{parameter}={shown(value)} is not a number", parameter=parameter)
    if value < 0:
        raise MarketoInvalidRequestError(f"{parameter}={shown(value)} is below 0", parameter=parameter)
    return float(value)


class MarketoImportOperator(AsksPerson, MarketoJobOperator):
    """
    Base of the operators that send rows to Marketo; not an operator itself.

    A subclass names its input and its destination, and returns its work from ``_begin``.

    :param rejects_path: folder for the tables of rows that were rejected, or imported with a warning: a local path,
        ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``.
    :param rejects_format: ``jsonl`` or ``parquet``.
    :param staging: folder, reachable by every worker, for the rows while the task runs. Default: ``rejects_path``.
    :param columns: map of input columns to REST API names; only these columns are sent. Default: every column, under
        its name.
    :param constants: map of REST API names to the values that every row gets.
    :param on_duplicates: the ``last`` of the rows with one key wins and the others count as superseded, or ``fail``.
    :param max_reject_ratio: share of the rows, from 0 to 1, that may be rejected. If more are, the task fails after it
        has sent all other rows.
    :param on_lost_upload: whether to ``resend`` rows or to ``stop`` when the answer to a request was lost. Default:
        each operator's own.
    :param on_unknown: *experimental*: if ``on_lost_upload`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param dry_run: check, stage and count, and send nothing.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: time between two polls of bulk imports: seconds, a timedelta or an ISO 8601 duration. Default:
        the connection's ``poll_interval``, at most 30 seconds.
    :param timeout: how long a try waits for bulk imports, in the form of ``poll_interval``. The wait for a quota's
        reset does not count.
    :param max_calls: largest number of calls that a try may make.
    :param marketo_conn_id: id of the connection.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoJobOperator.argument_checks,
        "rejects_path": text(required=True),
        "rejects_format": choice(RejectsFormat),
        "staging": text(),
        "columns": mapping(),
        "constants": mapping(),
        "on_duplicates": choice(OnDuplicates),
        "max_reject_ratio": ratio,
        "on_lost_upload": choice(OnLostUpload, required=False),
        "on_unknown": choice(OnUnknown),
        "dry_run": flag(),
    }
    template_fields: Sequence[str] = (
        *MarketoJobOperator.template_fields,
        "rejects_path",
        "staging",
        "columns",
        "constants",
    )

    def __init__(
        self,
        *,
        rejects_path: str,
        rejects_format: RejectsFormat = "jsonl",
        staging: str | None = None,
        columns: Mapping[str, str] | str | None = None,
        constants: Mapping[str, Any] | str | None = None,
        on_duplicates: OnDuplicates = "last",
        max_reject_ratio: float = 0.0,
        on_lost_upload: OnLostUpload | None = None,
        on_unknown: OnUnknown = "ask",
        dry_run: bool = False,
        on_quota_exhausted: OnQuotaExhausted = "defer",
        deferrable: bool = DEFERRABLE,
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = timedelta(hours=24),
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            on_quota_exhausted=on_quota_exhausted,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.rejects_path = rejects_path
        self.rejects_format = rejects_format
        self.staging = staging
        self.columns = columns
        self.constants = constants
        self.on_duplicates = on_duplicates
        self.max_reject_ratio = max_reject_ratio
        self.on_lost_upload = on_lost_upload
        self.on_unknown = on_unknown
        self._preview = dry_run  # BaseOperator.dry_run is a method
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.check_arguments()

    @fails_plainly()
    def execute_answer(self, context: Context, key: str, event: Any = None) -> Any:
        """
        Continue after a person's answer.

        :param context: the running task's context.
        :param key: not used: the task itself knows which rows the question was about.
        :param event: the answer.
        """
        self._answered = self._answer(event)
        return self._advance(context, resumed=True)

    def _advance(self, context: Context, event: Any = None, *, resumed: bool = False) -> Any:
        try:
            return super()._advance(context, event, resumed=resumed)
        except MarketoAmbiguousOutcomeError as error:
            self._ask(context, error)
            raise
