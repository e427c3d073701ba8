"""What it means that the storage of an input fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStorageError
from airflow_provider_marketo.output.folder import is_final

if TYPE_CHECKING:
    from airflow_provider_marketo.client.errors import MarketoError


def unavailable(path: Any, error: Exception) -> MarketoError:
    """
    Return the error for an input that cannot be read. What is missing or forbidden stays so; a retry may mend the rest.

    :param path: of the file.
    :param error: what its storage raised.
    """
    text = f"cannot read {path} ({type(error).__name__}: {error})"
    if not is_final(error):
        return MarketoStorageError(text)
    return MarketoInvalidRequestError(
        text,
        parameter="source",
        remedy="Check the path, the connection in it and that connection's rights; remote folders need the"
        " provider of their file system, such as airflow-provider-marketo[s3].",
    )
