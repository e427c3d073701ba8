"""Texts from outside are printable in the log lines of every module of the package."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

import airflow_provider_marketo
from airflow_provider_marketo.client.bulk.imports import ImportJob
from airflow_provider_marketo.client.bulk.jobs import ExportJob
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.imports.answers import reasons_of

PACKAGE = Path(airflow_provider_marketo.__file__).parent
HOSTILE = "\x1b[2J\nERROR all is lost\u202e" + "x" * 5_000_000
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def is_printable(text: str) -> bool:
    return text.isprintable() and len(text) < 20_000


@pytest.mark.parametrize(
    "value", [HOSTILE, [HOSTILE], {"name": HOSTILE}, ValueError(HOSTILE)], ids=["text", "list", "mapping", "error"]
)
def test_the_values_in_a_log_line_are_printable(caplog, value):
    caplog.set_level(logging.INFO)
    log = printable_logger("airflow_provider_marketo.a_module")
    log.info("Found %s", value)
    log.info("Found %s after %d calls in %.1f s", value, 3, 0.5)
    log.info(f"Found {value}")
    assert all(map(is_printable, caplog.messages))
    assert [line[:5] for line in caplog.messages] == ["Found"] * 3


def test_numbers_and_mappings_are_filled_in_as_ever(caplog):
    caplog.set_level(logging.INFO)
    log = printable_logger("airflow_provider_marketo.a_module")
    log.info("%d of %s%%", 3, 5.5)
    log.info("Found %s", {"id": 3, "ids": [1, 2]})
    log.info("100 % of it")
    log.info("8 at once%s", " for all  processes")
    assert caplog.messages == [
        "3 of 5.5%",
        "Found {'id': 3, 'ids': [1, 2]}",
        "100 % of it",
        "8 at once for all  processes",
    ]


def test_every_module_writes_its_lines_through_such_a_logger():
    others = []
    for file in PACKAGE.rglob("*.py"):
        if "simulator" in file.parts or file == PACKAGE / "plugin" / "__init__.py":
            continue  # every Airflow process imports this file of the plugin, and no other module of this package
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            called = ast.unparse(node.func)
            allowed = called == "logging.getLogger" and file.name in ("printable.py", "transport.py")
            by_another = (
                node.func.attr in LEVELS and called.split(".")[-2].endswith("log") and not called.startswith("log.")
            )
            if (called == "logging.getLogger" and not allowed) or by_another or called == "warnings.warn":
                others.append(f"{file.relative_to(PACKAGE)}:{node.lineno}: {called}")
    assert others == []


def test_messages_of_jobs_and_reasons_of_records_are_printable_where_they_enter():
    texts = [
        ImportJob.from_record({"batchId": 1, "message": HOSTILE}, "numOfLeadsProcessed").message,
        str(ExportJob.from_record({"exportId": "e", "errorMsg": HOSTILE}).error),
        *(text for reason in reasons_of({"reasons": [{"code": HOSTILE, "message": HOSTILE}]}) for text in reason),
    ]
    assert all(map(is_printable, texts))
