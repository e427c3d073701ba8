"""What Airflow shows about the provider in its commands and its UI."""

from __future__ import annotations

import json
from typing import Any

from airflow.providers_manager import ProvidersManager

from airflow_provider_marketo.provider_info import get_provider_info
from tools.real_airflow import RealAirflow

INFO = get_provider_info()
FIELDS = INFO["connection-types"][0]["conn-fields"]
KNOWS_COMMANDS = hasattr(ProvidersManager, "cli_command_functions")
"""Whether Airflow takes commands from providers: True from Airflow 3.2 on."""


def rows(airflow: RealAirflow, *arguments: str) -> list[dict[str, Any]]:
    """Run a command and return its JSON output, without the warnings before it."""
    said = airflow.cli(*arguments, "--output", "json")
    return list(json.loads(said[said.index("[") :]))


def test_providers_list_and_get_show_what_the_package_says(airflow: RealAirflow) -> None:
    (shown,) = rows(airflow, "providers", "get", "airflow-provider-marketo", "--full")
    changed_by_airflow = ("description", "connection-types")
    assert {key: shown[key] for key in INFO if key not in changed_by_airflow} == {
        key: value for key, value in INFO.items() if key not in changed_by_airflow
    }
    (listed,) = (row for row in rows(airflow, "providers", "list") if row["package_name"] == INFO["package-name"])
    assert listed["version"] == INFO["versions"][0]


def test_providers_hooks_shows_the_connection_type_and_can_import_its_hook(airflow: RealAirflow) -> None:
    (shown,) = (row for row in rows(airflow, "providers", "hooks") if row["connection_type"] == "marketo")
    assert shown["class"] == "airflow_provider_marketo.hooks.marketo.MarketoHook"
    assert shown["hook_name"] == "Adobe Marketo Engage"
    assert shown["conn_id_attribute_name"] == "marketo_conn_id"


def test_providers_triggers_and_configs_show_those_of_the_provider(airflow: RealAirflow) -> None:
    triggers = json.dumps(rows(airflow, "providers", "triggers"))
    assert "airflow_provider_marketo.triggers.bulk_job" in triggers
    configs = json.dumps(rows(airflow, "providers", "configs"))
    assert "airflow-provider-marketo" in configs


def test_config_get_value_knows_the_providers_section(airflow: RealAirflow) -> None:
    default = INFO["config"]["marketo"]["options"]["jobs_in_flight"]["default"]
    assert airflow.cli("config", "get-value", "marketo", "jobs_in_flight").splitlines()[-1] == default


def test_the_connection_form_has_the_providers_labels_and_fields(airflow: RealAirflow) -> None:
    (form,) = (form for form in airflow.api("GET", "/ui/connections/hook_meta") if form["connection_type"] == "marketo")
    assert form["hook_name"] == "Adobe Marketo Engage"
    standard = form["standard_fields"]
    assert standard["host"]["title"] == "Instance URL or Munchkin ID"
    assert standard["login"]["title"] == "Client ID"
    assert standard["password"]["title"] == "Client secret"
    assert standard["url_schema"]["hidden"] is True
    assert standard["port"]["hidden"] is True
    assert set(form["extra_fields"]) == set(FIELDS)
    for name, declared in FIELDS.items():
        shown = form["extra_fields"][name]
        assert shown["description"] == declared["description"]
        assert shown["value"] == declared["schema"].get("default")
        assert shown["schema"]["title"] == declared["label"]
        assert "null" in shown["schema"]["type"]
    assert form["extra_fields"]["hash_secret"]["schema"]["format"] == "password"


def test_marketo_setup_is_a_command_of_airflow(airflow: RealAirflow) -> None:
    # Before Airflow 3.2, the package itself is the command.
    said = (
        airflow.cli("marketo", "setup") if KNOWS_COMMANDS else airflow.cli("setup", module="airflow_provider_marketo")
    )
    assert "unchanged with" in said
    (pool,) = (pool for pool in airflow.api("GET", "/api/v2/pools")["pools"] if pool["name"] == "marketo")
    assert pool["slots"] == 8
    assert pool["include_deferred"] is False
