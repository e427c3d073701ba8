"""Defaults of arguments that Airflow's configuration decides."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf

DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)
