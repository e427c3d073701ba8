"""Reads and writes Airflow Variables; in tasks and triggers it distinguishes a missing Variable from a failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk import Variable

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from airflow_provider_marketo.client.serializable import Serializable
    from airflow_provider_marketo.client.stored import State

log = printable_logger(__name__)

TABLES = "marketo_tables_"
"""Prefix of the Variables in which loads note how new their tables are."""


def read(name: str) -> str | None:
    """
    Return a Variable's text, or None if it certainly does not exist.

    ``Variable.get`` reports every failure as "not found", so this asks the API server itself. The API server also
    reports "not found" for a Variable that it cannot decrypt, and when the database fails for a moment. From Airflow
    3.3 on, its list of keys tells these cases apart. Works in tasks and triggers only.

    :param name: the Variable's key.
    :raises OSError: Airflow did not answer or cannot read the Variable, or this process is neither a task nor a
        trigger.
    """
    with airflow_compat.answering():
        answer = airflow_compat.supervisor().send(airflow_compat.GetVariable(key=name))
    if isinstance(answer, airflow_compat.VariableResult):
        return answer.value
    if isinstance(answer, airflow_compat.ErrorResponse) and answer.error == airflow_compat.ErrorType.VARIABLE_NOT_FOUND:
        if airflow_compat.variable_is_listed(name):
            raise OSError(f"Airflow has the Variable {name}, but cannot read it; check Airflow's log and Fernet key")
        return None
    raise OSError(f"Airflow does not say whether the Variable {name} exists")


def find(name: str) -> str | None:
    """
    Return a Variable's text, or None if Airflow does not find it, for any reason. Works in any process.

    :param name: the Variable's key.
    """
    text = Variable.get(name, default=None)
    return None if text is None else str(text)


def try_to_write(name: str, text: str, description: str) -> None:
    """
    Set a Variable to a text; a failure is logged, not raised.

    :param name: the Variable's key.
    :param text: the text.
    :param description: shown in Airflow's list of Variables.
    """
    try:
        write(name, text, description)
    except Exception as error:  # noqa: BLE001 - Airflow may raise anything on the way to its database
        log.warning("The Variable %s could not be written: %s", name, error)


def write(name: str, text: str, description: str) -> None:
    """
    Set a Variable to a text.

    :param name: the Variable's key.
    :param text: the text.
    :param description: shown in Airflow's list of Variables.
    :raises OSError: Airflow did not answer.
    """
    airflow_compat.set_variable(name, text, description)


def delete(name: str) -> None:
    """
    Delete a Variable; it may be missing.

    :param name: the Variable's key.
    :raises OSError: Airflow did not answer.
    """
    airflow_compat.delete_variable(name)


def read_json(name: str, *, remedy: str) -> Any:
    """
    Return the JSON object in a Variable, or None if the Variable does not exist, like :func:`read`.

    :param name: the Variable's key.
    :param remedy: the way out if it is damaged.
    :raises MarketoStateError: the Variable does not hold a JSON object. A damaged Variable is never treated as missing.
    """
    text = read(name)
    return None if text is None else stored.parse(text, dict, place=f"the Variable {name}", remedy=remedy)


def read_state(kind: type[State], name: str, *, remedy: str) -> State | None:
    """
    Return the object that :func:`write_state` stored, or None if the Variable does not exist, like :func:`read`.

    :param kind: its class.
    :param name: the Variable's key.
    :param remedy: the way out if it is damaged.
    :raises MarketoStateError: it is damaged, or a later release wrote it.
    """
    facts = read_json(name, remedy=remedy)
    return None if facts is None else stored.revive(kind, facts, place=f"the Variable {name}", remedy=remedy)


def write_state(name: str, state: Serializable, description: str) -> None:
    """
    Set a Variable to an object, for later tasks or releases.

    :param name: the Variable's key.
    :param state: the object.
    :param description: shown in Airflow's list of Variables.
    """
    write_json(name, state.to_dict(), description)


def write_json(name: str, value: Any, description: str) -> None:
    """
    Set a Variable to a JSON value.

    :param name: the Variable's key.
    :param value: anything that JSON can hold.
    :param description: shown in Airflow's list of Variables.
    """
    write(name, json.dumps(value, indent=2), description)


class TextVariable:
    """
    A text that every host reads, in a Variable. A process that is neither a task nor a trigger finds no text.

    :param key: key of the Variable.
    :param description: shown in Airflow's list of Variables.
    """

    def __init__(self, key: str, description: str) -> None:
        self._key = key
        self._description = description

    @property
    def name(self) -> str:
        """Where a person finds the text."""
        return f"the Variable {self._key}"

    def read(self) -> str | None:
        """
        Return the text; None without one.

        :raises OSError: Airflow does not say whether there is one.
        """
        return read(self._key) if airflow_compat.is_supervised() else None

    def write(self, text: str) -> None:
        """Store a text."""
        if airflow_compat.is_supervised():
            write(self._key, text, self._description)

    def delete(self) -> None:
        """Delete the text; it may be missing. A failure is logged: a leftover text only says where the task ran."""
        if not airflow_compat.is_supervised():
            return
        try:
            delete(self._key)
        except Exception as error:  # noqa: BLE001 - Airflow may raise anything on the way to its database
            log.warning("%s could not be deleted: %s", self.name, error)


def host_variable(run: str) -> TextVariable:
    """
    Return the Variable that says on which host a task instance began, for Airflow before 3.3.

    :param run: the task instance, as its folder is called.
    """
    return TextVariable(f"marketo_host_{key_part(run)}", "The host on which a Marketo task has begun")
