"""Lineage for the OpenLineage provider. This file needs that provider, which imports it after a task has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.openlineage.facet import (
    Dataset,
    OutputDataset,
    OutputStatisticsOutputDatasetFacet,
)
from airflow.providers.openlineage.extractors import OperatorLineage

from airflow_provider_marketo.lineage.uris import SCHEME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.lineage.publish import Published


def operator_lineage(published: Published | None) -> OperatorLineage[Any, Any]:
    """
    Return the lineage from Marketo's objects to the output.

    :param published: the data; None if the operator has published nothing.
    """
    if published is None:
        return OperatorLineage()
    output = urlsplit(published.output)
    statistics = OutputStatisticsOutputDatasetFacet(
        rowCount=published.manifest["rows"], size=published.manifest.get("bytes"), fileCount=published.file_count
    )
    return OperatorLineage(
        inputs=[Dataset(namespace=f"{SCHEME}://{published.instance}", name=published.object_type)],
        outputs=[
            OutputDataset(
                # Credentials before an @ stay out of the namespace.
                namespace=f"{output.scheme}://{output.netloc.rpartition('@')[2]}" if output.netloc else output.scheme,
                name=output.path.strip("/") if output.netloc else output.path,
                outputFacets={"outputStatistics": statistics},
            )
        ],
    )


def tables_lineage(place: str, tables: Mapping[str, Mapping[str, Any]]) -> OperatorLineage[Any, Any]:
    """
    Return the lineage of loaded tables.

    :param place: URL of their schema, without credentials.
    :param tables: their counts by name.
    """
    url = urlsplit(place)
    path = url.path.strip("/").replace("/", ".")
    return OperatorLineage(
        outputs=[
            OutputDataset(
                namespace=f"{url.scheme}://{url.netloc}",
                name=f"{path}.{table}" if path else table,
                outputFacets={"outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=counts["read"])},
            )
            for table, counts in tables.items()
        ],
    )
