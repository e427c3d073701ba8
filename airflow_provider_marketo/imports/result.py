"""What a task that sends rows returns: counts, ids and addresses; never rows. Airflow keeps it as JSON in XCom."""

from __future__ import annotations

from typing import TypedDict

RESULT_VERSION = 1
"""It grows when a member changes its meaning or is removed. New members do not change it."""


class ImportDetails(TypedDict, total=False):
    """
    Parts of the result that only some imports have.

    :param members_before: mirrored lists only: how many leads were in the list.
    :param removed: mirrored lists only: how many leads were removed from the list.
    :param campaign_id: campaigns for rows only: id of the campaign.
    :param campaign: campaigns for rows only: name of the campaign; None if nothing was left to send.
    :param leads: campaigns for rows only: how many people the audience had.
    :param groups_sent: campaigns for rows only: calls that this try made.
    :param groups_sent_earlier: campaigns for rows only: calls that earlier tries had made.
    :param sent_before: campaigns for rows only: rows that an earlier run had sent, among those superseded.
    :param correlation_id: data ingestion only: the ``X-Correlation-Id`` of a call is this id, ``/`` and the chunk's
        name.
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

    :param version: the version of this shape, :data:`RESULT_VERSION`.
    :param object_type: what was imported; ``list_add`` or ``list_remove`` for members of a static list.
    :param custom_object: API name of the custom object type, or None.
    :param transport: ``bulk``, ``sync`` or ``ingestion``.
    :param rows: rows that the input had.
    :param accepted: rows that were imported.
    :param warned: rows that were imported with a warning.
    :param rejected: rows that were not imported, for a known reason.
    :param superseded: rows that were not sent because a later row has the same key.
    :param unknown: rows that may or may not be in Marketo.
    :param submitted: rows that data ingestion has taken; it reports their outcome elsewhere.
    :param created: accepted rows that created a record, if Marketo reports this.
    :param updated: accepted rows that updated a record, if Marketo reports this.
    :param long_values: API name to the number of values that are longer than the field.
    :param chunks: chunks in which the rows were sent.
    :param calls: calls that sent rows, over all tries.
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
