"""DAG authors can guess arguments: every argument of every public class keeps the same few rules."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator

from airflow_provider_marketo import choices
from airflow_provider_marketo.arguments import ChecksArguments
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.import_base import INPUT_CHECKS
from tools.arguments_page import PAGE, arguments, page, public_classes

# Values for arguments that are required.
SAMPLES = {
    "action": "get",
    "activity_type": "webinarAttended",
    "activity_types": ["Click Email"],
    "arguments": {},
    "asset_type": "emails",
    "email_addresses": ["ada@example.com"],
    "emails": ["ada@example.com"],
    "fields": ["email"],
    "lookup_field": "email",
    "lookup_values": ["ada@example.com"],
    "folder": {"id": 7, "type": "Folder"},
    "input": [],
    "lead_ids": [7],
    "leads": [7],
    "manifest": "/lake/_marketo/manifests/leads.json",
    "object_type": "leads",
    "operation": "leads.describe",
    "output_path": "/lake",
    "rejects_path": "/rejects",
    "run_at": "2100-01-01T00:00:00Z",
    "source": "/input.csv",
    "staging": "/staging",
    "statuses": ["Registered"],
    "tokens": {},
}


def sample(name: str, argument: inspect.Parameter) -> object:
    """Return a value for a required argument: by its name, or any value of its type."""
    return SAMPLES[name] if name in SAMPLES else {"str": "a text", "int": 7, "int | str": 7}[argument.annotation]


# One of several arguments is required.
SAMPLES_OF: dict[str, dict[str, object]] = {
    "MarketoQuotaSensor": {"min_calls": 1},
    "MarketoTriggerCampaignOperator": {"lead_ids": [7]},
}

STORED_AS = {"dry_run": "_preview"}
"""``BaseOperator.dry_run`` is a method."""

FIXED = {
    "MarketoCustomActivitiesOperator": {"on_duplicates", "poll_interval", "timeout"},
    "MarketoSyncLeadsOperator": {"custom_object", "dedupe_by", "object_type"},
}
"""Arguments of a base that a class fixes: its name says the value, or the argument has no meaning for the class."""

NAME_LEADS = {
    "MarketoCustomActivitiesOperator": {"lead_ids"},  # an activity has more than its lead
    "MarketoEraseLeadsOperator": set(),
    "MarketoListMembersOperator": set(),
    "MarketoProgramMembersOperator": set(),
    "MarketoTriggerCampaignOperator": set(),
}
"""Classes that take rows that name leads, and the common arguments that each does not need."""

TRIGGERS = [kind for kind in public_classes() if kind.__module__.endswith("triggers.activity")]
"""The triggers that DAG authors write into an ``AssetWatcher``."""

OPERATORS = [kind for kind in public_classes() if issubclass(kind, BaseOperator)]


def problems(kind: type) -> list[str]:
    """Return the rules that a class breaks."""
    found = [*hidden(kind), *untyped(kind), *undocumented(kind), *taken(kind)]
    return found or [*unchecked(kind), *stored_otherwise(kind)]


def hidden(kind: type) -> list[str]:
    ours = [base for base in kind.__mro__ if base.__module__.startswith("airflow_provider_marketo.")]
    fixed = FIXED.get(kind.__name__, set())
    known = {name for base in ours if "__init__" in vars(base) for name in arguments(base)}
    return [f"{name} is hidden in **kwargs" for name in sorted(known - set(arguments(kind)) - fixed)]


def untyped(kind: type) -> list[str]:
    return [f"{name} has no type" for name, one in arguments(kind).items() if one.annotation is one.empty]


def undocumented(kind: type) -> list[str]:
    described = "\n".join(base.__doc__ or "" for base in kind.__mro__ if issubclass(base, BaseOperator))
    return [f"{name} is not documented" for name in arguments(kind) if f":param {name}:" not in described]


def taken(kind: type) -> list[str]:
    bases = (BaseOperator, BaseSensorOperator) if issubclass(kind, BaseSensorOperator) else (BaseOperator,)
    theirs = {name for base in bases for name in inspect.signature(base.__init__).parameters}
    others = {name for base in (BaseOperator, BaseSensorOperator) for name in dir(base)}
    return [
        f"{name} is something else in Airflow"
        for name in arguments(kind)
        if name in others and name not in theirs and name not in STORED_AS
    ]


def unchecked(kind: type) -> list[str]:
    if not issubclass(kind, ChecksArguments):
        return ["its arguments are not checked"]
    found = [f"{name} is not checked" for name in arguments(kind) if name not in kind.argument_checks]
    known = {*arguments(kind), *FIXED.get(kind.__name__, ())}
    if not kind.__subclasses__():  # a base may check what all of its operators take
        found += [f"{name} is checked and no argument" for name in kind.argument_checks if name not in known]
    for name, parameter in arguments(kind).items():
        is_literal = any(hasattr(choices, word) for word in re.findall(r"\w+", str(parameter.annotation)))
        if name in kind.argument_checks and is_closed(kind, name) and not is_literal:
            found.append(f"{name} is one of a closed set, and its type does not say so")
    return found


def is_closed(kind: type, name: str) -> bool:
    """Whether an argument is one of a closed set of words."""
    try:
        kind.argument_checks[name](name, "no such word")
    except MarketoInvalidRequestError as error:
        return "is not one of" in error.message
    return False


def stored_otherwise(kind: type) -> list[str]:
    given = {name: sample(name, one) for name, one in arguments(kind).items() if one.default is one.empty}
    given |= SAMPLES_OF.get(kind.__name__, {})
    task = kind(task_id="a_task", **given)
    known = set(arguments(kind)) | FIXED.get(kind.__name__, set())
    found = [
        f"{name} is not stored under its name"
        for name, parameter in arguments(kind).items()
        if getattr(task, STORED_AS.get(name, name), "nothing") != given.get(name, parameter.default)
    ]
    return found + [f"{name} is not an argument" for name in kind.template_fields if name not in known]


@pytest.mark.parametrize("kind", OPERATORS)
def test_the_arguments_of_a_class_keep_the_rules(kind):
    assert problems(kind) == []


@pytest.mark.parametrize("kind", TRIGGERS)
def test_the_arguments_of_a_trigger_keep_the_same_rules(kind):
    assert [name for name in arguments(kind) if f":param {name}:" not in (kind.__doc__ or "")] == []
    assert sorted(kind.argument_checks) == sorted(arguments(kind))
    assert sorted(kind(stream="a_stream", activity_types=[2]).serialize()[1]) == sorted(arguments(kind))


@pytest.mark.parametrize("name", NAME_LEADS)
def test_rows_that_name_leads_are_given_in_the_same_words(name):
    kinds = {kind.__name__: arguments(kind) for kind in OPERATORS}
    common = {*INPUT_CHECKS, "lead_ids", "columns"}
    found = {each: kinds[name][each] for each in common & kinds[name].keys()}
    assert common - found.keys() == NAME_LEADS[name]
    assert {each.default for each in found.values()} == {None}
    assert {each: str(found[each].annotation) for each in INPUT_CHECKS} == {
        each: str(kinds["MarketoListMembersOperator"][each].annotation) for each in INPUT_CHECKS
    }


def test_the_page_of_arguments_is_that_of_the_signatures():
    assert PAGE.read_text("utf-8") == page(), "run `python -m tools.arguments_page`"


ODD_VALUES = (
    object(),
    int,
    1j,
    [[]],
    {"a": 1},
    b"x",
    True,
    -1,
    float("nan"),
    "x\0y",
    10**40,
    "x" * 5_000,
)


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_every_odd_value_is_taken_or_refused_with_a_short_sentence(kind: type[BaseOperator]) -> None:
    required = {name: sample(name, one) for name, one in arguments(kind).items() if one.default is one.empty}
    for name in arguments(kind):
        for value in ODD_VALUES:
            said = refusal(kind, {**required, **SAMPLES_OF.get(kind.__name__, {}), name: value})
            assert not said or name in said or "rejects_path" in said, (name, value, said)
            assert len(said) < 1_500
            assert said.isprintable()


def refusal(kind: type[BaseOperator], given: dict[str, Any]) -> str:
    """Return why arguments are refused; empty if they are taken."""
    try:
        with DAG("a_dag", schedule=None):
            task: Any = kind(task_id="a_task", **given)
        if isinstance(task, ChecksArguments):
            task.checked_arguments()
    except MarketoInvalidRequestError as error:
        return str(error)
    return ""


WORKED_ON = {
    "activate",
    "approve",
    "exclude_fields",
    "lookup_values",
    "hash_fields",
    "lead_ids",
    "partition_by",
    "source",
}
"""Lists of what a task works on: with an empty list the task has nothing to do."""

NARROWED = {
    "MarketoActivitiesOperator": {"lead_ids", "asset_ids"},
    "MarketoLeadChangesOperator": {"lead_ids"},
    "MarketoLeadSensor": {"lookup_values"},
    "MarketoActivitySensor": {"lead_ids"},
    "MarketoCampaignRunSensor": {"lead_ids"},
    "MarketoListMembershipSensor": {"lead_ids"},
}
"""Classes for which a list of such a name says what is read or waited for."""


def takes_lists(check: Any) -> bool:
    """Whether a check takes lists: it distinguishes a list from its only item."""
    for items in ([7], ["a name"], ["emails"]):
        try:
            found = check("argument", items)
        except MarketoInvalidRequestError:
            continue
        return isinstance(found, (list, tuple))
    return False


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(kind, name, id=f"{kind.__name__}-{name}")
        for kind in [*OPERATORS, *TRIGGERS]
        for name, check in kind.argument_checks.items()
        if takes_lists(check) and name not in ("records", "parameters")
    ],
)
@pytest.mark.parametrize("written", ["[]", [], (), set(), "set()", " [ ] "], ids=repr)
def test_an_empty_list_names_nothing_and_never_means_everything(kind: type, name: str, written: Any) -> None:
    """A task that works on the list does nothing. A task that filters by the list refuses it."""
    check = kind.argument_checks[name]
    if name in WORKED_ON - NARROWED.get(kind.__name__, set()):
        assert not check(name, written)
        return
    with pytest.raises(MarketoInvalidRequestError, match=f"^{name} is empty, and an empty list names nothing"):
        check(name, written)
