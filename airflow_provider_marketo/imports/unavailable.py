"""The error for an input whose storage fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStorageError
from airflow_provider_marketo.output.folder import is_final

if TYPE_CHECKING:
    from airflow_provider_marketo.client.errors import MarketoError


def unavailable(path: Any, error: Exception) -> MarketoError:
    """
    Return the error for an input that cannot be read. A retry may help, unless the input is missing or forbidden.

    :param path: the path of the file.
    :param error: what its storage raised.
    """
    text = f"cannot read {path} ({type(error).__name__}: {error})"
    if not is_final(error):
        return MarketoStorageError(text)
    return MarketoInvalidRequestError(
        text,
        parameter="source",
        remedy="Check the path, the connection in it and that connection's rights; remote folders need the"
        " pip extra for their storage, such as airflow-provider-marketo[s3].",
    )
