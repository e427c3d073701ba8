"""Arguments of authors, XComs and templates are taken as meant, or refused by name before a call is spent."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo import arguments
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

TEXTS = st.text(max_size=20).filter(lambda text: text.strip() == text and text not in ("", "None"))


def refusal(check: arguments.Check, value: Any) -> str:
    with pytest.raises(MarketoInvalidRequestError) as refused:
        check("argument", value)
    assert refused.value.parameter == "argument"
    return str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        [1001, 1002],
        (1001, 1002),
        {1002, 1001},
        frozenset({1001, 1002}),
        range(1001, 1003),
        ["1001", "1002"],
        [1001.0, Decimal(1002)],
        "[1001, 1002]",
        "(1001, 1002)",
        "{1002, 1001}",
        "frozenset({1002, 1001})",
        ' ["1001", "1002"] ',
        {1001: "a", 1002: "b"}.keys(),
        "dict_keys([1001, 1002])",
        "dict_values(['1001', '1002'])",
        "deque([1001, 1002])",
        "deque([1001, 1002], maxlen=5)",
        "array([1001, 1002])",
        "array([1001, 1002], dtype=int32)",
        "range(1001, 1003)",
        "[1001 1002]",
        "[1001. 1002.]",
        "['1001'\n '1002']",
        "[np.int64(1001), np.int64(1002)]",
        "[Decimal('1001'), Decimal('1002')]",
    ],
    ids=str,
)
def test_a_list_is_a_list_however_it_is_written(value: Any) -> None:
    assert arguments.ids()("lead_ids", value) == (1001, 1002)


@given(st.lists(TEXTS), st.sampled_from([json.dumps, repr, lambda items: repr(tuple(items))]))
def test_a_list_of_texts_survives_every_way_through_a_template(items: list[str], render: Any) -> None:
    assert arguments.texts()("fields", render(items)) == tuple(items)


@given(st.lists(TEXTS, min_size=2))
def test_texts_that_numpy_writes_without_commas_are_not_joined(items: list[str]) -> None:
    assert arguments.texts()("fields", f"[{' '.join(map(repr, items))}]") == tuple(items)


@pytest.mark.parametrize("check", [arguments.ids, arguments.texts, arguments.values, arguments.names_or_ids])
@pytest.mark.parametrize(
    "value",
    [
        "<generator object sync_do_map at 0x7f21e0a3c5f0>",
        "<dict_keyiterator object at 0x7fc639cec040>",
        "[<pkg.Lead object at 0x7fc6418c6750>]",
        "[   0    1    2 ... 1997 1998 1999]",
        "['a' 'b' ... 'y' 'z']",
    ],
)
def test_text_that_has_lost_its_list_is_not_taken_for_a_value(check: Any, value: str) -> None:
    assert "list" in refusal(check(), value)


@given(st.sets(TEXTS, min_size=1))
def test_a_set_has_the_same_order_in_every_process(items: set[str]) -> None:
    assert (
        arguments.texts()("fields", items) == arguments.texts()("fields", repr(items)) == tuple(sorted(items, key=repr))
    )


@pytest.mark.parametrize("value", ["Acme, Inc.", "[EU] Webinar", "(draft)", "a,b", "{{x}}", "it's"])
def test_other_text_is_one_value_and_is_not_taken_apart(value: str) -> None:
    assert arguments.texts()("lookup_values", value) == (value,)


@pytest.mark.parametrize("check", [arguments.ids, arguments.texts, arguments.values, arguments.names_or_ids])
@pytest.mark.parametrize("value", [None, "", "  ", "None", "null"])
def test_what_a_template_left_out_counts_as_not_given(check: Any, value: Any) -> None:
    assert check()("lead_ids", value) is None
    assert "required" in refusal(check(required=True), value)


@pytest.mark.parametrize("check", [arguments.ids, arguments.texts, arguments.values, arguments.names_or_ids])
@pytest.mark.parametrize("read", [iter, lambda items: (each for each in items), lambda items: map(str, items)])
def test_a_list_that_can_be_read_only_once_is_refused(check: Any, read: Any) -> None:
    assert "Write list(...) around it." in refusal(check(), read([1001]))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([1001.0, "1001", Decimal(1001)], ["1001"]),
        ([1.5], ["1.5"]),
        ([UUID(int=5)], ["00000000-0000-0000-0000-000000000005"]),
        ([date(2026, 1, 31), None, " "], ["2026-01-31"]),
    ],
)
def test_values_to_look_up_are_written_as_marketo_has_them(value: Any, found: Any) -> None:
    assert arguments.values()("lookup_values", value) == found


@pytest.mark.parametrize("value", [True, float("nan"), b"1001", [1001], {"id": 1001}])
def test_values_that_no_lead_can_have_are_refused(value: Any) -> None:
    assert refusal(arguments.values(), [value]).startswith("argument[0] is a ")


@pytest.mark.parametrize(
    "value", ["1001,1002", "1001 1002", "x", [1001, "x"], [True], 0, -1, 1.5, [[1001]], {"id": 1001}]
)
def test_a_value_that_is_not_an_id_is_refused_by_the_arguments_name(value: Any) -> None:
    assert refusal(arguments.ids(), value).startswith("argument")


@pytest.mark.parametrize(
    "value",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-8))),
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-08:00",
        "2024-W05-1",
        "2024-060",
        "2023-02-29",
    ],
)
def test_a_date_that_utc_or_the_calendar_lacks_is_refused(value: Any) -> None:
    assert "is not a date" in refusal(arguments.moment(), value)


@pytest.mark.parametrize("check", [arguments.duration, arguments.period])
@pytest.mark.parametrize("value", [timedelta.max, "P99999999999D", "nan"])
def test_a_length_that_has_no_number_of_seconds_is_refused(check: Any, value: Any) -> None:
    assert "is not a length of time" in refusal(check(), value)


def test_a_refusal_does_not_show_what_may_be_a_leads_address() -> None:
    assert "@" not in refusal(arguments.ids(), ["someone@example.com"])


@pytest.mark.parametrize("value", [3600, 3600.0, "3600", timedelta(hours=1), "PT1H", "PT60M", "pt3600s"])
def test_a_duration_is_seconds_a_timedelta_or_iso_8601(value: Any) -> None:
    assert arguments.duration()("timeout", value) == timedelta(hours=1)


@pytest.mark.parametrize("value", [-1, 0, "soon", float("nan"), True, "P", "PT", "P1Y"])
def test_a_value_that_is_not_a_duration_is_refused_by_the_arguments_name(value: Any) -> None:
    assert refusal(arguments.duration(), value).startswith("argument")


@pytest.mark.parametrize("value", [timedelta(days=6), "P6D", "PT144H"])
def test_a_period_has_a_unit(value: Any) -> None:
    assert arguments.period()("lookback", value) == timedelta(days=6)


@pytest.mark.parametrize("value", [6, 6.0, "6"])
def test_a_period_without_a_unit_is_refused_with_both_ways_to_write_it(value: Any) -> None:
    text = refusal(arguments.period(), value)
    assert "timedelta(days=6)" in text
    assert "'P6D'" in text


def test_a_window_under_an_hour_is_refused() -> None:
    assert "1 hour" in refusal(arguments.period(minimum=timedelta(hours=1)), timedelta(minutes=59))


def test_a_value_outside_a_closed_set_is_refused_with_the_nearest() -> None:
    text = refusal(arguments.choice(Literal["leads", "activities"]), "lead")
    assert "Did you mean 'leads'?" in text


@pytest.mark.parametrize(
    ("value", "meant"), [("True", True), ("false", False), (True, True)], ids=["text", "lower case", "bool"]
)
def test_a_flag_may_come_from_a_template(value: Any, meant: bool) -> None:
    assert arguments.flag()("confirm", value) is meant
    refusal(arguments.flag(), "yes")


@pytest.mark.parametrize("value", [{"a": 1}, '{"a": 1}', "{'a': 1}"])
def test_a_mapping_is_a_mapping_however_it_is_written(value: Any) -> None:
    assert arguments.mapping()("filters", value) == {"a": 1}
    refusal(arguments.mapping(), "[1]")


def test_a_date_without_a_zone_is_utc() -> None:
    assert arguments.moment()("start", "2026-01-31") == datetime(2026, 1, 31, tzinfo=timezone.utc)
    assert arguments.moment()("start", "2026-01-31T01:00:00+01:00") == datetime(2026, 1, 31, tzinfo=timezone.utc)
    refusal(arguments.moment(), "yesterday")


class Task(arguments.ChecksArguments):
    argument_checks = {"lead_ids": arguments.ids(required=True), "timeout": arguments.duration()}  # noqa: RUF012

    def __init__(self, lead_ids: Any, timeout: Any = 60) -> None:
        self.lead_ids = lead_ids
        self.timeout = timeout
        self.check_arguments()


def test_what_is_not_a_template_is_checked_when_the_dag_is_parsed() -> None:
    with pytest.raises(MarketoInvalidRequestError, match="lead_ids"):
        Task("1001,1002")
    with pytest.raises(MarketoInvalidRequestError, match="timeout"):
        Task([1001], timeout=-1)


@pytest.mark.parametrize("rendered", ["1001,1002", "None"])
def test_what_is_a_template_is_checked_when_the_task_runs(rendered: str) -> None:
    task = Task("{{ ti.xcom_pull('upstream') }}", timeout="{{ params.timeout }}")
    task.lead_ids = rendered
    with pytest.raises(MarketoInvalidRequestError, match="lead_ids"):
        task.argument("lead_ids")
    task.lead_ids, task.timeout = "[1001]", "60"
    assert task.checked_arguments() == {"lead_ids": (1001,), "timeout": timedelta(minutes=1)}


FOLDER = {"id": 12, "type": "Folder"}


@pytest.mark.parametrize("value", [FOLDER, {"id": "12", "type": "folder"}, str(FOLDER), json.dumps(FOLDER)])
def test_a_folder_is_named_by_its_id_and_type(value: Any) -> None:
    assert arguments.place()("folder", value) == FOLDER


@pytest.mark.parametrize("value", [12, "12", {"id": 12}, {"type": "Folder"}, {"id": 12, "type": "Lead"}])
def test_a_number_alone_may_be_a_folder_or_a_program(value: Any) -> None:
    with pytest.raises(MarketoInvalidRequestError, match=r'Write folder=\{"id": 12, "type": "Folder"\}'):
        arguments.place()("folder", value)


def test_a_time_that_must_be_exact_needs_a_zone() -> None:
    check = arguments.moment(needs_zone=True)
    assert check("run_at", "2027-05-04T08:00:00+02:00") == datetime(2027, 5, 4, 6, tzinfo=timezone.utc)
    with pytest.raises(MarketoInvalidRequestError, match=r"has no time zone\. Write 2027-05-04T08:00:00Z"):
        check("run_at", "2027-05-04T08:00:00")


def test_dry_run_is_stored_beside_the_method_of_that_name() -> None:
    class Task(arguments.ChecksArguments):
        argument_checks: ClassVar = {"dry_run": arguments.flag()}

        def __init__(self, dry_run: Any) -> None:
            self._preview = dry_run
            self.check_arguments()

    assert Task(dry_run=True).argument("dry_run") is True
    with pytest.raises(MarketoInvalidRequestError, match="dry_run='maybe'"):
        Task(dry_run="maybe")


Fruit = Literal["apple", "pear"]


@pytest.mark.parametrize("value", [["apple", "pear"], ("apple", "pear"), "['apple', 'pear']"])
def test_a_list_of_choices_is_a_list_however_it_is_written(value: Any) -> None:
    assert arguments.choices(Fruit)("fruits", value) == ("apple", "pear")


def test_each_choice_of_a_list_is_checked() -> None:
    with pytest.raises(
        MarketoInvalidRequestError, match=r"fruits\[1\]='appel' is not one of .* Did you mean 'apple'\?"
    ):
        arguments.choices(Fruit)("fruits", ["pear", "appel"])


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        ("True", True),
        ("false", False),
        (["a"], ("a",)),
        ("['a', 'b']", ("a", "b")),
        ("a", ("a",)),
        ("", None),
    ],
)
def test_all_of_them_or_some_names(value: Any, meant: Any) -> None:
    assert arguments.flag_or_texts()("activate", value) == meant


def test_lists_by_table_name_something_for_each_table_that_is_named() -> None:
    check = arguments.narrowing(arguments.texts_by_table())
    assert check("fields", {"programs": ["id"]}) == {"programs": ("id",)}
    assert check("fields", None) is None
    with pytest.raises(MarketoInvalidRequestError, match="fields\\['emails'\\] is empty"):
        check("fields", {"programs": ["id"], "emails": []})


def test_one_word_for_all_is_not_an_empty_list() -> None:
    assert arguments.narrowing(arguments.texts_or_word("all"))("fields", "all") == "all"
