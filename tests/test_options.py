"""Options of the configuration: an invalid value is one warning, and the default applies."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.options import Options


@pytest.mark.parametrize("wrong", ["many", "", "0", "-1", "1.5", "%(odd)s"])
def test_a_wrong_number_is_one_warning(monkeypatch, caplog, wrong):
    monkeypatch.setenv("AIRFLOW__MARKETO__JOBS_IN_FLIGHT", wrong)
    options = Options()
    assert [options.number("jobs_in_flight", 2) for _ in range(3)] == [2, 2, 2]
    assert caplog.text.count("[marketo] jobs_in_flight has an invalid value. The default is used: 2") == 1


@pytest.mark.parametrize(("text", "on"), [("True", True), ("1", True), ("off", False), ("enabled", False)])
def test_a_flag_is_on_or_off(monkeypatch, text, on):
    monkeypatch.setenv("AIRFLOW__MARKETO__ENFORCE_POOL", text)
    assert Options().flag("enforce_pool") is on


def test_a_missing_option_has_its_default(caplog):
    assert Options().number("no_such_option", 7) == 7
    assert caplog.text == ""
