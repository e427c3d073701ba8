"""What can go wrong between files and tables."""

from __future__ import annotations

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoError


class MarketoWarehouseError(MarketoError):
    """The database refused a load, or another load was in the way; nothing of the table was changed."""

    default_remedy = "This table was not changed. Run the task again: a repeated load takes no row twice."


class MarketoLoadError(MarketoDataError):
    """Files are not those that the manifest lists; nothing was loaded."""

    default_remedy = "Clear the task that wrote the manifest, and then this one."
