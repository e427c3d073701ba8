"""What to do about a connection that Airflow does not find, or cannot read."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_marketo.airflow_compat import is_script
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = "AIRFLOW_CONN_"
MALFORMED = "Its URI, its JSON or its extra is malformed: enter it again."
"""The remedy for a connection that exists and cannot be read."""


@contextmanager
def finding(conn_id: str, *, parameter: str | None = None, conn_type: str = "...") -> Iterator[None]:
    """
    Say how to define a missing connection. Airflow also reports an unreadable environment variable as missing.

    :param conn_id: id of the connection.
    :param parameter: the operator's argument that names it; None if only one argument can name it.
    :param conn_type: type of the connection that is wanted.
    :raises AirflowNotFoundException: there is no such connection.
    :raises MarketoInvalidRequestError: the connection cannot be read.
    """
    failure: Exception
    where = f"{parameter}: " if parameter else ""
    try:
        yield
        return
    except AirflowNotFoundException as error:
        remedy = unreadable(conn_id) or (
            f"Create it in Admin > Connections, or: airflow connections add {conn_id} --conn-type {conn_type} ..."
            f"{_for_scripts(conn_id)}"
        )
        failure = AirflowNotFoundException(f"{where}{str(error).rstrip('.')}. {remedy}")
    except ValueError:  # its text may hold a part of the secret
        failure = MarketoInvalidRequestError(
            f"Airflow cannot read the connection {conn_id}",
            parameter=parameter,
            remedy=unreadable(conn_id) or MALFORMED,
        )
    raise failure from None


def _for_scripts(conn_id: str) -> str:
    """Return a hint for the author of a script: Airflow does not look for the connection in its database."""
    if not is_script():
        return ""
    return (
        " This process is a script, and scripts do not get connections from Airflow's database: set the environment"
        f" variable {ENVIRONMENT}{conn_id.upper()} to the connection as JSON."
    )


def unreadable(conn_id: str) -> str | None:
    """
    Return the way out if an environment variable is meant to define a connection.

    :param conn_id: id of a connection that Airflow did not find or could not read.
    """
    variable = f"{ENVIRONMENT}{conn_id.upper()}"
    if variable not in os.environ:
        return None
    return (
        f"The environment variable {variable} is set, and Airflow cannot read it: give JSON, or percent-encode"
        " characters such as # / ? @ in the parts of a URI."
    )
