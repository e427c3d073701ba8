"""
URIs of Marketo's data as Airflow assets: ``marketo://<instance>/<object>``.

An example is ``marketo://123-ABC-456/activities``. Airflow finds these functions through the provider's description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from airflow.sdk import Asset

from airflow_provider_marketo.client.endpoint import Endpoint

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset

SCHEME = "marketo"


def marketo_uri(instance: str, object_type: str) -> str:
    """
    Return the URI of an object type of an instance.

    :param instance: the Munchkin ID, or host and port of an instance without one.
    :param object_type: such as ``activities`` or ``leads``, or the API name of a custom object type.
    """
    return f"{SCHEME}://{instance}/{quote(object_type, safe='')}"


def create_asset(*, instance: str, object_type: str, extra: dict[str, Any] | None = None) -> Asset:
    """
    Return the Airflow asset that hook lineage records.

    :param instance: see :func:`marketo_uri`.
    :param object_type: see :func:`marketo_uri`.
    :param extra: the asset's ``extra``.
    """
    return Asset(uri=marketo_uri(instance, object_type), extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check the URI of an Airflow asset and write the Munchkin ID in capitals, as events and lineage do.

    :param uri: the URI that a DAG author gave.
    :raises ValueError: the URI does not name an instance and an object.
    """
    parts = uri.path.strip("/").split("/")
    if not uri.netloc or len(parts) != 1 or not parts[0]:
        raise ValueError(
            f"{uri.geturl()} does not name an instance and an object. "
            "Write marketo://<Munchkin ID>/<object>, such as marketo://123-ABC-456/activities"
        )
    return uri._replace(netloc=Endpoint.parse(uri.netloc).instance, path=f"/{parts[0]}")


def to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """
    Return the OpenLineage dataset of an asset: the instance is its namespace, the object its name.

    :param asset: an Airflow asset with a URI of Marketo.
    :param lineage_context: further facts from Airflow; ignored.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{uri.netloc}", name=uri.path.strip("/"))
