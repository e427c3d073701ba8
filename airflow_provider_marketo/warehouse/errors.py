"""What can go wrong between files and tables."""

from __future__ import annotations

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoError


class MarketoWarehouseError(MarketoError):
    """The database refused a transaction, or another load was in the way; the transaction was rolled back."""

    default_remedy = "The transaction was rolled back. Run the task again: a repeated load takes no row twice."


class MarketoLoadError(MarketoDataError):
    """Files are not those that the manifest lists; nothing was loaded."""

    default_remedy = "Clear the task that wrote the manifest, and then this one."
