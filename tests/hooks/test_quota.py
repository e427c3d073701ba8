"""The rest of the day's quotas, measured on a simulated instance."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.quota import MEGABYTE, REFRESH_EVERY, Quota, QuotaReader, calls_today, require
from tests.simulated import extract, marketo
from tests.support import ManualClock, StateStore, run_task, task_context

__all__ = ["marketo"]

NOON = datetime(2026, 1, 15, 18, tzinfo=timezone.utc)


class Desk:
    """Airflow's Variables, and a clock that the test moves."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self.time = datetime.now(timezone.utc).replace(microsecond=0)
        self.looks = 0

    def _read(self, name: str) -> str | None:
        self.looks += 1
        return self.variables.get(name)

    def reader(self) -> QuotaReader:
        hook = MarketoHook("marketo_default")
        return QuotaReader(
            hook.get_conn(),
            hook.settings,
            read=self._read,
            write=lambda name, text, _: self.variables.update({name: text}),
            now=lambda: self.time,
        )

    def held(self) -> dict:
        return json.loads(self.variables["marketo_quota_marketo_default"])


@pytest.fixture
def desk() -> Desk:
    return Desk()


def quota(**facts) -> Quota:
    given = {
        "instance": "123-ABC-456",
        "day": "2026-01-15",
        "quota": 50_000,
        "used": 44_000,
        "reserve": 5_000,
        "export_quota_bytes": 500 * MEGABYTE,
        "exported_bytes": 450 * MEGABYTE,
        "measured_at": NOON.isoformat(),
        "resets_at": "2026-01-16T06:00:00+00:00",
    }
    return Quota(**given | facts)


def usage_calls(instance) -> int:
    return instance.report().calls.get("usage.get_daily_usage", 0)


def test_the_variable_has_marketos_count_of_all_users_and_names_no_user(marketo, desk):
    instance = marketo({"daily_quota": 20_000, "reserve": 1_000}, time_scale=1)
    instance.spend(calls=4_000)
    desk.reader().refresh()
    held = desk.held()
    assert (held["used"], held["quota"], held["reserve"]) == (4_001, 20_000, 1_000)  # the measurement is a call, too
    assert (held["calls_left"], held["export_mb_left"]) == (15_999, 500.0)
    assert instance.settings.users[0].user_id not in json.dumps(held)
    assert datetime.fromisoformat(held["resets_at"]) > desk.time


def test_bytes_exported_today_come_from_the_job_lists(marketo, desk, tmp_path):
    instance = marketo()
    run_task(lambda: extract(tmp_path, file_format="csv"), task_context(StateStore()))
    exported = sum(job["fileSize"] for job in instance.jobs())
    assert exported > 0
    lists = {"fields": ["id"], "filter": {"staticListId": 1001}}
    MarketoHook("marketo_default").get_conn().call("bulk_export_leads.create_job", **lists)  # has no file yet
    assert desk.reader().refresh(exports=True).exported_bytes == exported


def test_yesterdays_exports_do_not_count(marketo, desk, tmp_path):
    marketo()
    run_task(lambda: extract(tmp_path, file_format="csv"), task_context(StateStore()))
    desk.time += timedelta(days=2)
    assert desk.reader().refresh(exports=True).exported_bytes == 0


def test_what_was_exported_yesterday_is_forgotten_before_today_is_counted(marketo, desk):
    marketo()
    yesterday = desk.reader().refresh().to_dict() | {"day": "2000-01-01", "exported_bytes": 450 * MEGABYTE}
    desk.variables["marketo_quota_marketo_default"] = json.dumps(yesterday)
    today = desk.reader().refresh()
    assert (today.exported_bytes, today.exports_measured_at) == (0, None)


def test_a_day_without_a_record_has_no_calls():
    assert calls_today([]) == calls_today([{"date": "2026-01-15", "total": None}]) == 0


def test_a_custom_object_type_that_was_named_once_is_counted_from_then_on(marketo, desk):
    instance = marketo()
    desk.reader().refresh(exports=True, custom_objects=["car_c"])
    desk.reader().refresh(exports=True)
    assert instance.report().calls["bulk_export_custom_objects.get_jobs"] == 2


def test_marketo_is_asked_again_only_when_the_variable_is_five_minutes_old(marketo, desk):
    instance = marketo(time_scale=1)
    for _ in range(3):
        desk.reader().current()
    assert usage_calls(instance) == 1
    desk.time += timedelta(seconds=REFRESH_EVERY)
    desk.reader().current()
    assert usage_calls(instance) == 2


def test_a_variable_of_another_instance_is_ignored(marketo, desk):
    instance = marketo(time_scale=1)
    desk.variables["marketo_quota_marketo_default"] = json.dumps(quota(measured_at=desk.time.isoformat()).to_dict())
    assert desk.reader().current().used == usage_calls(instance) == 1


def test_exported_bytes_are_counted_on_request_and_kept_afterwards(marketo, desk):
    instance = marketo(time_scale=1)
    assert desk.reader().current().exports_measured_at is None
    assert desk.reader().current(exports=True).exports_measured_at is not None
    assert desk.reader().refresh().exports_measured_at is not None
    assert instance.report().calls["bulk_export_leads.get_jobs"] == 1


def test_one_of_several_processes_refreshes(marketo, desk):
    instance = marketo(time_scale=1)
    measured = [desk.reader().keep_fresh() for _ in range(5)]
    assert [one is not None for one in measured] == [True, False, False, False, False]
    assert usage_calls(instance) == 1


def test_a_new_variable_is_not_refreshed(marketo, desk):
    instance = marketo(time_scale=1)
    desk.reader().refresh()
    assert desk.reader().keep_fresh() is None
    assert usage_calls(instance) == 1


def test_a_process_looks_at_the_variable_when_it_is_due_and_not_before(marketo, desk, monkeypatch):
    instance, clock = marketo(time_scale=1), ManualClock()
    governor = LocalGovernor(parallel=10, clock=clock)
    monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: governor)
    desk.reader().refresh()  # another process
    found = []
    for seconds in (100, REFRESH_EVERY - 101, 1, REFRESH_EVERY - 1, 1):
        clock.advance(seconds)
        desk.time += timedelta(seconds=seconds)
        looks = desk.looks
        found.append((desk.reader().keep_fresh() is not None, desk.looks > looks))
    assert found == [(False, True), (False, False), (True, True), (False, False), (True, True)]
    assert usage_calls(instance) == 3


def test_a_refresh_that_fails_is_logged_and_not_raised(marketo, desk, caplog):
    instance = marketo(time_scale=1)
    instance.fail("usage.get_daily_usage", "603")
    assert desk.reader().keep_fresh() is None
    assert "marketo_quota_marketo_default could not be refreshed" in caplog.text


@pytest.mark.parametrize(
    "text", [None, "", "null", "[]", "not json", '{"quota": 1}', "[" * 100_000], ids=lambda text: str(text)[:9]
)
def test_a_variable_with_another_content_counts_as_missing(text):
    assert Quota.load(text) is None


def test_a_written_quota_can_be_read():
    one = quota(custom_objects=("car_c",), calls_by_dag={"a_dag": 7})
    assert Quota.load(json.dumps(one.to_dict())) == one


def test_a_variable_of_yesterday_is_infinitely_old():
    assert quota().age(NOON + timedelta(minutes=2)) == 120
    assert quota().age(NOON + timedelta(hours=13)) == float("inf")
    assert quota().age(datetime(2026, 1, 16, 5, 59, 59, tzinfo=timezone.utc)) < float("inf")
    assert quota().age(datetime(2026, 1, 16, 6, tzinfo=timezone.utc)) == float("inf")
    assert quota().age(NOON, exports=True) == float("inf")


def test_what_is_left_is_never_below_nothing_and_is_rounded_for_people():
    spent = quota(used=60_000, exported_bytes=600 * MEGABYTE)
    assert (spent.calls_left, spent.calls_left_for_extracts, spent.export_mb_left) == (0, 0, 0.0)
    assert quota(used=46_000).calls_left_for_extracts == 0
    assert quota(exported_bytes=123_456_789).to_dict()["export_mb_left"] == 376.5
    require(quota(used=60_000), export_mb=1)
    require(quota(exported_bytes=600 * MEGABYTE), calls=1)


def test_extracts_do_not_use_the_reserve():
    assert (quota().calls_left, quota().calls_left_for_extracts) == (6_000, 1_000)
    require(quota(), calls=1_000)
    with pytest.raises(
        MarketoQuotaExhaustedError, match="1000 of the day's 50000 are left above the reserve"
    ) as caught:
        require(quota(), calls=1_001)
    assert caught.value.until == datetime(2026, 1, 16, 6, 5, tzinfo=timezone.utc)


def test_an_export_larger_than_what_is_left_is_refused():
    require(quota(), export_mb=50)
    with pytest.raises(MarketoQuotaExhaustedError, match="50 of the day's 500 MB are left") as caught:
        require(quota(), export_mb=51)
    assert caught.value.quota == "export"
    with pytest.raises(MarketoQuotaExhaustedError):
        require(quota(latches={"export": "2026-01-16T06:05:00+00:00"}), export_mb=1)


def test_at_the_reserve_extracts_stop_and_other_calls_continue(marketo, desk):
    instance = marketo({"daily_quota": 1_000, "reserve": 900}, time_scale=1)
    reader = desk.reader()
    instance.spend(calls=99)
    reader.refresh()  # the hundredth call
    client = MarketoHook("marketo_default").get_conn()
    with pytest.raises(MarketoQuotaExhaustedError, match="bulk jobs and streams leave the rest to other calls"):
        client.call("bulk_export_leads.create_job", fields=["id"], filter={"staticListId": 1})
    client.call("leads.describe")
