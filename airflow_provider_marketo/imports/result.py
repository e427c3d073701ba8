"""What a task that sends rows returns: counts, ids and addresses; never rows. Airflow keeps it as JSON in XCom."""

from __future__ import annotations

from typing import TypedDict

RESULT_VERSION = 1
"""Raised when a member changes its meaning or goes; new members do not raise it."""


class ImportDetails(TypedDict, total=False):
    """
    What only some imports say.

    :param members_before: of a mirrored list: how many leads were in it.
    :param removed: of a mirrored list: how many leads were removed from it.
    :param campaign_id: of a campaign for rows: its id.
    :param campaign: of a campaign for rows: its name, None if nothing was left to send.
    :param leads: of a campaign for rows: how many people the audience had.
    :param groups_sent: of a campaign for rows: calls that this try made.
    :param groups_sent_earlier: of a campaign for rows: calls that earlier tries had made.
    :param sent_before: of a campaign for rows: rows that an earlier run had sent, among those superseded.
    :param correlation_id: of data ingestion: with ``/`` and a chunk's name, the ``X-Correlation-Id`` of its calls.
    """

    members_before: int
    removed: int
    campaign_id: int
    campaign: str | None
    leads: int
    groups_sent: int
    groups_sent_earlier: int
    sent_before: int
    correlation_id: str


class ImportResult(ImportDetails):
    """
    The account of an import. Every row that entered is in exactly one of the counts from ``accepted`` to ``submitted``.

    :param version: of this shape, :data:`RESULT_VERSION`.
    :param object_type: what was imported; ``list_add`` or ``list_remove`` for members of a static list.
    :param custom_object: API name of the custom object type, or None.
    :param transport: ``bulk``, ``sync`` or ``ingestion``.
    :param rows: that the input had.
    :param accepted: imported.
    :param warned: imported, with a warning.
    :param rejected: not imported, with a reason.
    :param superseded: a later row has the same key.
    :param unknown: may or may not be in Marketo.
    :param submitted: handed to data ingestion, which reports elsewhere.
    :param created: of the accepted rows, where Marketo tells.
    :param updated: of the accepted rows, where Marketo tells.
    :param long_values: API name to the number of values that are longer than the field.
    :param chunks: in which the rows were sent.
    :param calls: that sent rows, over all tries.
    :param batch_ids: ids of the bulk imports.
    :param rejects: address of the table of rejected and unknown rows, or None.
    :param warnings: address of the table of rows that were imported with a warning, or None.
    """

    version: int
    object_type: str
    custom_object: str | None
    transport: str
    rows: int
    accepted: int
    warned: int
    rejected: int
    superseded: int
    unknown: int
    submitted: int
    created: int
    updated: int
    long_values: dict[str, int]
    chunks: int
    calls: int
    batch_ids: list[int]
    rejects: str | None
    warnings: str | None
