"""
What Airflow reads about this package: connection form, configuration section, commands, and lists for the registries.

Airflow calls it whenever one of its processes starts, so it imports only the version, a few defaults, and
the standard library.
"""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from airflow_provider_marketo import __version__
from airflow_provider_marketo.client import limits

_SERVICE = "Adobe Marketo Engage"

_HELPERS = {
    "operators": {"asking", "base", "defaults", "failures", "hidden", "import_base", "once_base", "stream_base"},
    "sensors": {"base", "quota_wait", "wait"},
}
"""Modules of these folders that DAG authors do not import."""


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, in the form of Airflow's ``provider_info.schema.json``."""
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
        "hooks": _modules("hooks.adobe_events", "hooks.marketo"),
        "operators": _modules_for_authors("operators"),
        "sensors": _modules_for_authors("sensors"),
        "transfers": [
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": _SERVICE,
                "python-module": "airflow_provider_marketo.transfers.sql_to_marketo",
            },
            {
                "source-integration-name": _SERVICE,
                "target-integration-name": "Common SQL",
                "python-module": "airflow_provider_marketo.transfers.marketo_to_sql",
            },
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
            },
            {
                "connection-type": "adobe_events",
                "hook-class-name": "airflow_provider_marketo.hooks.adobe_events.AdobeEventsHook",
                "hook-name": "Adobe I/O Events (journal)",
                "ui-field-behaviour": _JOURNAL_STANDARD_FIELDS,
                "conn-fields": _JOURNAL_FIELDS,
            },
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


def _modules_for_authors(folder: str) -> list[dict[str, Any]]:
    found = {module.name for module in iter_modules([str(Path(__file__).with_name(folder))])}
    return _modules(*(f"{folder}.{name}" for name in sorted(found - _HELPERS[folder])))


def _field(label: str, description: str, kind: str = "string", **schema: Any) -> dict[str, Any]:
    """Describe an extra in the connection form. The form marks a type without null as required."""
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
        "The identity endpoint from Admin > Web Services. Leave empty if it is <instance URL>/identity.",
        format="url",
    ),
    "pool": _field(
        "Pool",
        "Airflow pool of the tasks that use this instance. `airflow marketo setup` creates it.",
        default="marketo",
    ),
    "max_parallel": _field(
        "Calls at once",
        "Slots of the pool. Marketo answers 10 calls at once, for all integrations together; 8 leaves two.",
        "integer",
        default=limits.OUR_PARALLEL,
        minimum=1,
        maximum=limits.PARALLEL,
    ),
    "rate_limit": _field(
        "Calls in 20 seconds",
        "Marketo allows 100 calls in any 20 seconds, for all integrations together.",
        "integer",
        default=limits.OUR_CALLS,
        minimum=1,
        maximum=limits.CALLS,
    ),
    "daily_quota": _field(
        "Calls a day",
        "For all integrations together. The number is in the contract with Adobe and on Admin > Web Services.",
        "integer",
        default=limits.DAILY_CALLS,
        minimum=1,
    ),
    "export_daily_mb": _field(
        "Export MB a day",
        "Megabytes of bulk export a day, for all integrations together. 500 unless the contract includes more.",
        "integer",
        default=limits.DAILY_EXPORT_MB,
        minimum=1,
    ),
    "reserve": _field(
        "Reserve",
        "Calls of the daily quota that extracts leave to other work.",
        "integer",
        default=0,
        minimum=0,
    ),
    "export_reserve_mb": _field(
        "Export reserve MB",
        "Megabytes of the day's bulk export that tasks with daily_export_mb leave to other work.",
        "integer",
        default=0,
        minimum=0,
    ),
    "coordination": _field(
        "Coordination",
        "How processes share the limits: host (one machine), redis (many machines), pool (a fixed share per task), or "
        "auto, which chooses.",
        default="auto",
        enum=["auto", "host", "redis", "pool"],
    ),
    "redis_conn_id": _field(
        "Redis connection",
        "Id of the Airflow connection to the Redis server, for coordination = redis.",
    ),
    "poll_interval": _field(
        "Poll interval",
        "Seconds between two polls of export jobs. Marketo updates their status once a minute.",
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
        "Seconds for a whole answer, except a file. Leave empty for each operation's own timeout, which is longer than "
        "Marketo's.",
        "number",
        minimum=1,
        maximum=3600,
    ),
    "partner_id": _field("Partner ID", "Key of an Adobe LaunchPoint partner, sent with each request for a token."),
    "proxy": _field("Proxy", "URL of an HTTP proxy.", format="url"),
    "ca_bundle": _field("CA bundle", "Path of a file with certificates to trust, on workers and triggerers."),
    "ui_url": _field(
        "Marketo UI",
        "Address of Marketo in the browser, such as https://app-sj01.marketo.com. Tasks about leads and lists link "
        "there.",
        format="url",
    ),
    "hash_secret": _field(
        "Hash secret",
        "Secret key of hash_fields and of the evidence of erasures. Do not change it: another key gives other digests.",
        format="password",
    ),
}

_JOURNAL_STANDARD_FIELDS = {
    "hidden-fields": ["schema", "port"],
    "relabeling": {
        "host": "Journal URL",
        "login": "Client ID",
        "password": "Client secret",
    },
    "placeholders": {
        "host": "https://events-va6.adobe.io/events/organizations/.../integrations/.../...",
        "login": "Developer Console > project > OAuth Server-to-Server > Client ID",
        "password": "Developer Console > project > OAuth Server-to-Server > Client secret",
    },
}

_JOURNAL_FIELDS = {
    "ims_org": _field(
        "Organization ID", "Id of the organization in Adobe's Developer Console. It ends in @AdobeOrg.", "string"
    ),
    "scopes": _field(
        "Scopes",
        "Scopes of the token, separated by commas. adobeio_api comes with the I/O Management API, which the project"
        " needs in addition to the events.",
        default="AdobeID,openid,read_organizations,additional_info.projectedProductContext,additional_info.roles,"
        "adobeio_api",
    ),
    "munchkin_ids": _field(
        "Munchkin IDs",
        "Instances whose events this journal has, separated by commas. A task that wants events of another instance is"
        " refused. Leave empty if you do not know.",
    ),
    "ims_url": _field(
        "IMS URL", "Adobe's identity service. Leave empty for https://ims-na1.adobelogin.com.", format="url"
    ),
    "connect_timeout": _CONNECTION_FIELDS["connect_timeout"],
    "read_timeout": _field("Read timeout", "Seconds for a whole answer.", "number", default=60, minimum=1, maximum=600),
    "proxy": _CONNECTION_FIELDS["proxy"],
    "ca_bundle": _CONNECTION_FIELDS["ca_bundle"],
}

_CONFIG = {
    "marketo": {
        "description": "Settings of the Adobe Marketo Engage provider.",
        "options": {
            "jobs_in_flight": {
                "description": "Export jobs that one task keeps in Marketo's queue at a time. The queue holds 10 jobs "
                "and runs 2, for all integrations together.",
                "version_added": "0.1.0",
                "type": "integer",
                "example": "4",
                "default": "2",
            },
            "imports_in_flight": {
                "description": "Imports that one task keeps in Marketo's queue at a time. The queue holds 10 jobs and "
                "runs 2, for all integrations together.",
                "version_added": "0.1.0",
                "type": "integer",
                "example": "2",
                "default": "4",
            },
            "enforce_pool": {
                "description": "Put every Marketo task, mapped or not, into the pool of its connection, whatever its "
                "DAG says. Run `airflow marketo setup` first.",
                "version_added": "0.1.0",
                "type": "boolean",
                "example": "True",
                "default": "False",
            },
            "output_path": {
                "description": "Folder or object store URL for the files of MarketoWarehouseTaskGroup, which makes a "
                "folder in it for each DAG.",
                "version_added": "0.1.0",
                "type": "string",
                "example": "s3://aws_default@lake/marketo",
                "default": "",
            },
            "upload_roots": {
                "description": "Folders, separated by commas, from which a task may upload a file to Marketo although "
                "a template or an XCom gives its path. Paths that are in the DAG file need no entry.",
                "version_added": "0.1.0",
                "type": "string",
                "example": "s3://aws_default@lake/brand, /data/uploads",
                "default": "",
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
