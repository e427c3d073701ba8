"""
Marketo's data as Airflow assets: ``marketo://<instance>/<object>``, such as ``marketo://123-ABC-456/activities``.

Airflow reads the functions here from the provider's description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset

SCHEME = "marketo"


def marketo_uri(instance: str, object_type: str) -> str:
    """
    The address of a kind of object.

    :param instance: Munchkin ID, or host and port where there is none.
    :param object_type: such as ``activities``, ``leads`` or the API name of a custom object.
    """
    return f"{SCHEME}://{instance}/{quote(object_type, safe='')}"


def create_asset(*, instance: str, object_type: str, extra: dict[str, Any] | None = None) -> Asset:
    """The asset that hook lineage records; parameters as in :func:`marketo_uri`."""
    return Asset(uri=marketo_uri(instance, object_type), extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check the address of an asset. The Munchkin ID becomes what it is in events and lineage, in capitals.

    :raises ValueError: it does not name an instance and an object.
    """
    from airflow_provider_marketo.client.endpoint import Endpoint

    parts = uri.path.strip("/").split("/")
    if not uri.netloc or len(parts) != 1 or not parts[0]:
        raise ValueError(
            "A Marketo asset is marketo://<Munchkin ID>/<object>, such as marketo://123-ABC-456/activities"
        )
    return uri._replace(netloc=Endpoint.parse(uri.netloc).instance, path=f"/{parts[0]}")


def to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """The same for OpenLineage: the instance is the namespace, the object the name."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{uri.netloc}", name=uri.path.strip("/"))
