"""
What Airflow reads about this package: connection form, configuration section, commands, lists for the registries.

Airflow calls this at every start of every process, so it imports nothing but the version.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo import __version__

_SERVICE = "Adobe Marketo Engage"


def get_provider_info() -> dict[str, Any]:
    """The provider's description, as ``provider_info.schema.json`` of Airflow has it."""
    return {
        "package-name": "airflow-provider-marketo",
        "name": _SERVICE,
        "description": "Moves data between `Adobe Marketo Engage <https://business.adobe.com/products/marketo.html>`__ "
        "and a lake or warehouse, and drives Marketo from DAGs.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _SERVICE,
                "external-doc-url": "https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/home",
                "tags": ["service"],
            }
        ],
        "hooks": _modules("hooks.marketo"),
        "operators": _modules(
            "operators.api",
            "operators.assets",
            "operators.bulk_extract",
            "operators.bulk_import",
            "operators.campaigns",
            "operators.erase",
            "operators.incremental_leads",
            "operators.leads",
            "operators.members",
            "operators.streams",
            "operators.sync",
        ),
        "sensors": _modules(
            "sensors.activities",
            "sensors.assets",
            "sensors.bulk_job",
            "sensors.campaigns",
            "sensors.leads",
            "sensors.members",
            "sensors.quota",
        ),
        "transfers": [
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": _SERVICE,
                "python-module": "airflow_provider_marketo.transfers.sql_to_marketo",
            }
        ],
        "triggers": _modules(
            "triggers.activity", "triggers.bulk_import", "triggers.bulk_job", "triggers.condition", "triggers.quota"
        ),
        "connection-types": [
            {
                "connection-type": "marketo",
                "hook-class-name": "airflow_provider_marketo.hooks.marketo.MarketoHook",
                "hook-name": _SERVICE,
                "ui-field-behaviour": _STANDARD_FIELDS,
                "conn-fields": _CONNECTION_FIELDS,
            }
        ],
        "extra-links": ["airflow_provider_marketo.links.marketo.MarketoLink"],
        "asset-uris": [
            {
                "schemes": ["marketo"],
                "handler": "airflow_provider_marketo.lineage.uris.sanitize_uri",
                "factory": "airflow_provider_marketo.lineage.uris.create_asset",
                "to_openlineage_converter": "airflow_provider_marketo.lineage.uris.to_openlineage",
            }
        ],
        "config": _CONFIG,
        "cli": ["airflow_provider_marketo.cli.definition.get_marketo_cli_commands"],
    }


def _modules(*names: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": _SERVICE, "python-modules": [f"airflow_provider_marketo.{name}" for name in names]},
    ]


def _field(label: str, description: str, kind: str = "string", **schema: Any) -> dict[str, Any]:
    """One extra of the connection form. It may be left empty: a type without null is drawn as required."""
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


_STANDARD_FIELDS = {
    "hidden-fields": ["schema", "port"],
    "relabeling": {
        "host": "Instance URL or Munchkin ID",
        "login": "Client ID",
        "password": "Client secret",
    },
    "placeholders": {
        "host": "https://123-ABC-456.mktorest.com or 123-ABC-456",
        "login": "Admin > LaunchPoint > View Details > Client Id",
        "password": "Admin > LaunchPoint > View Details > Client Secret",
    },
}

_CONNECTION_FIELDS = {
    "identity_url": _field(
        "Identity URL",
        "The identity endpoint from Admin > Web Services. Leave empty where it is <instance URL>/identity.",
        format="url",
    ),
    "pool": _field(
        "Pool",
        "Airflow pool for the tasks that use this instance; `airflow marketo setup` creates it.",
        default="marketo",
    ),
    "max_parallel": _field(
        "Calls at once",
        "Slots of the pool. Marketo answers 10 calls at once, for all integrations together; 8 leaves it two.",
        "integer",
        default=8,
        minimum=1,
        maximum=10,
    ),
    "rate_limit": _field(
        "Calls in 20 seconds",
        "Marketo allows 100 in any 20 seconds, for all integrations together.",
        "integer",
        default=90,
        minimum=1,
        maximum=100,
    ),
    "daily_quota": _field(
        "Calls a day",
        "From the contract with Adobe, shown at Admin > Web Services; for all integrations together.",
        "integer",
        default=50_000,
        minimum=1,
    ),
    "export_daily_mb": _field(
        "Export MB a day",
        "Megabytes of bulk export a day, for all integrations together. Marketo sells more than 500.",
        "integer",
        default=500,
        minimum=1,
    ),
    "reserve": _field(
        "Reserve",
        "Calls of the daily quota that extracts leave to others.",
        "integer",
        default=0,
        minimum=0,
    ),
    "coordination": _field(
        "Coordination",
        "How processes agree on who may call: host (one machine), redis (many), pool (every task its share), or auto.",
        default="auto",
        enum=["auto", "host", "redis", "pool"],
    ),
    "redis_conn_id": _field(
        "Redis connection",
        "Id of the Airflow connection to the Redis server through which processes agree.",
    ),
    "poll_interval": _field(
        "Poll interval",
        "Seconds between two looks at waiting export jobs. Marketo refreshes their status once a minute.",
        "number",
        default=60,
        minimum=0.1,
        maximum=3600,
    ),
    "connect_timeout": _field(
        "Connect timeout", "Seconds to establish a connection.", "number", default=10, minimum=0.1, maximum=300
    ),
    "read_timeout": _field(
        "Read timeout",
        "Seconds of silence before a call is given up. Leave empty for the operation's own, which outlasts Marketo's.",
        "number",
        minimum=1,
        maximum=3600,
    ),
    "partner_id": _field("Partner ID", "Partner key of an Adobe LaunchPoint partner, sent when a token is asked for."),
    "proxy": _field("Proxy", "URL of the HTTP proxy to go through.", format="url"),
    "ca_bundle": _field("CA bundle", "Path on the workers of a file with the certificates to trust."),
    "ui_url": _field(
        "Marketo UI",
        "Where the browser is when you are in Marketo, such as https://app-sj01.marketo.com: tasks about leads and "
        "lists link there.",
        format="url",
    ),
    "hash_salt": _field(
        "Hash salt",
        "Secret key for the fields that an extract hashes (hash_fields). Keep it: another salt gives other hashes.",
        format="password",
    ),
}

_CONFIG = {
    "marketo": {
        "description": "Settings of the Adobe Marketo Engage provider.",
        "options": {
            "jobs_in_flight": {
                "description": "Export jobs that one task keeps in Marketo's queue at a time. The queue holds 10, "
                "for all integrations together, and runs 2.",
                "version_added": "0.1.0",
                "type": "integer",
                "example": "4",
                "default": "2",
            },
            "imports_in_flight": {
                "description": "Imports that one task keeps in Marketo's queue at a time. The queue holds 10, for all "
                "integrations together, and runs 2.",
                "version_added": "0.1.0",
                "type": "integer",
                "example": "2",
                "default": "4",
            },
            "enforce_pool": {
                "description": "Put every Marketo task, mapped ones too, into the pool of its connection, whatever its "
                "DAG says. Run `airflow marketo setup` first.",
                "version_added": "0.1.0",
                "type": "boolean",
                "example": "True",
                "default": "False",
            },
            "triggerer_parallel": {
                "description": "Calls that one triggerer may have in flight per Marketo instance.",
                "version_added": "0.1.0",
                "type": "integer",
                "example": "2",
                "default": "1",
            },
        },
    }
}
