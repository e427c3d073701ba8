"""
The connection form for Airflow 3.1.

Later Airflow reads the declarations in :mod:`airflow_provider_marketo.provider_info` itself, and never calls this.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.provider_info import get_provider_info


def ui_field_behaviour() -> dict[str, Any]:
    """Labels, placeholders and hidden fields."""
    return {key.replace("-", "_"): value for key, value in _declared()["ui-field-behaviour"].items()}


def connection_form_widgets() -> dict[str, Any]:
    """One field for each extra. Airflow stands in for wtforms where that is not installed."""
    from wtforms import IntegerField, PasswordField, StringField
    from wtforms.validators import Optional, any_of

    def field(label: str, description: str, schema: dict[str, Any]) -> Any:
        hidden, number = schema.get("format") == "password", "integer" in schema["type"]
        kind = PasswordField if hidden else IntegerField if number else StringField
        validators = [any_of(schema["enum"])] if "enum" in schema else [Optional()]
        return kind(label, validators=validators, description=description, default=schema.get("default"))

    return {name: field(**declared) for name, declared in _declared()["conn-fields"].items()}


def _declared() -> dict[str, Any]:
    connection: dict[str, Any] = get_provider_info()["connection-types"][0]
    return connection
