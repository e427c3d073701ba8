"""
The page *Marketo* in Airflow's UI (*experimental*).

Every process of Airflow imports this file, so it imports only modules that Airflow has already loaded. Only the API
server asks for the app behind the page.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from airflow_provider_marketo import __version__

log = logging.getLogger(__name__)

_PREFIX = "/marketo"


def _static(name: str) -> str:
    """Return the address of a static file: an absolute path below Airflow's base URL, new with each version."""
    base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{base}{_PREFIX}/static/{name}?v={__version__}"


class MarketoPlugin(AirflowPlugin):
    """Adds the page *Marketo* to the menu *Browse*."""

    name = "marketo"
    react_apps = [  # noqa: RUF012 - Airflow's base class declares it so
        {
            "name": "Marketo",
            "bundle_url": _static("marketo.js"),
            "destination": "nav",
            "category": "browse",
            "url_route": "marketo",
            "icon": _static("icon.svg"),
            "icon_dark_mode": _static("icon-dark.svg"),
        }
    ]

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The app, made when the API server asks for it. If that fails, Airflow starts without the page."""
        try:
            from airflow_provider_marketo.plugin.app import make_app

            return [{"app": make_app(), "url_prefix": _PREFIX, "name": "Marketo"}]
        except Exception:  # a missing page is better than an API server that does not start
            log.exception("Airflow starts without the page Marketo: its app could not be created")
            return []
