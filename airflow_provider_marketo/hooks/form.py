"""
The connection form of Airflow 3.1.

Later versions draw the form from :mod:`airflow_provider_marketo.provider_info` and never call this module.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.provider_info import get_provider_info


def ui_field_behaviour(conn_type: str = "marketo") -> dict[str, Any]:
    """
    Return the labels and placeholders of the standard fields, and which of them to hide.

    :param conn_type: type of the connection.
    """
    return {key.replace("-", "_"): value for key, value in _declared(conn_type)["ui-field-behaviour"].items()}


def connection_form_widgets(conn_type: str = "marketo") -> dict[str, Any]:
    """
    Return one form field for each extra.

    :param conn_type: type of the connection.
    """
    # Where wtforms is not installed, Airflow puts a stand-in into its place before it calls this.
    from wtforms import IntegerField, PasswordField, StringField
    from wtforms.validators import Optional, any_of

    def field(label: str, description: str, schema: dict[str, Any]) -> Any:
        hidden, number = schema.get("format") == "password", "integer" in schema["type"]
        kind = PasswordField if hidden else IntegerField if number else StringField
        validators = [any_of(schema["enum"])] if "enum" in schema else [Optional()]
        return kind(label, validators=validators, description=description, default=schema.get("default"))

    return {name: field(**declared) for name, declared in _declared(conn_type)["conn-fields"].items()}


def _declared(conn_type: str) -> dict[str, Any]:
    declared = {each["connection-type"]: each for each in get_provider_info()["connection-types"]}
    connection: dict[str, Any] = declared[conn_type]
    return connection
