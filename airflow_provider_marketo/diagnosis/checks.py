"""The checks of ``airflow marketo doctor``, in the order in which they run. To add one, add a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.diagnosis import airflow_checks, budget_checks, connection_checks, worker_checks
from airflow_provider_marketo.diagnosis.finding import Finding, error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_marketo.diagnosis.setup import Setup

CHECKS: tuple[tuple[str, Callable[[Setup], Iterator[Finding]]], ...] = (
    ("versions", airflow_checks.check_versions),
    ("packages", airflow_checks.check_packages),
    ("settings", connection_checks.check_settings),
    ("contradictions", connection_checks.check_contradictions),
    ("limits", connection_checks.check_limits),
    ("budgets", budget_checks.check_budgets),
    ("connection", connection_checks.check_connection),
    ("clock", connection_checks.check_clock),
    ("read permissions", connection_checks.check_read_permissions),
    ("write permissions", connection_checks.check_write_permissions),
    ("pools", airflow_checks.check_pools),
    ("coordination", airflow_checks.check_coordination),
    ("redis", airflow_checks.check_redis),
    ("folders", airflow_checks.check_folders),
    ("workers", worker_checks.check_workers),
)
"""Each check: its name in the report, and the function that yields its findings."""


def run_checks(setup: Setup) -> Iterator[tuple[str, Finding]]:
    """
    Yield the name of each check with each of its findings.

    :param setup: the installation to check.
    """
    for name, check in CHECKS:
        try:
            for finding in check(setup):
                yield name, finding
        except Exception as failure:  # noqa: BLE001 - a check that fails must not hide what the others find
            yield name, error("", f"this check failed ({type(failure).__name__}: {failure})", "Report it as a bug.")
