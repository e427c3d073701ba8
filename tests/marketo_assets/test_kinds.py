"""The closed sets of types and actions, compared with the catalogue of operations."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from airflow_provider_marketo.choices import ApprovedInProgram, AssetAction, AssetType
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.marketo_assets import kinds

TYPES, ACTIONS = get_args(AssetType), get_args(AssetAction)


@pytest.mark.parametrize("asset_type", TYPES)
def test_every_type_can_be_got_by_its_id(asset_type: str) -> None:
    operation = operations.get(kinds.operation_of(asset_type, "get"))
    assert set(kinds.naming(asset_type, "get", 1)) <= set(operation.parameters)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_an_operation_of_some_type(action: str) -> None:
    def can(asset_type: str) -> bool:
        try:
            return bool(operations.get(kinds.operation_of(asset_type, action)))
        except MarketoInvalidRequestError:
            return False

    assert any(map(can, TYPES))


@pytest.mark.parametrize("asset_type", get_args(ApprovedInProgram))
def test_what_can_be_approved_in_a_program_has_an_operation_for_it(asset_type: str) -> None:
    assert operations.get(kinds.operation_of(asset_type, "approve")).retry == "repeatable"


@pytest.mark.parametrize(("asset_type", "given", "found"), [("emails", "3001", 3001), ("emails_v2", "a-b", "a-b")])
def test_ids_are_numbers_but_for_the_new_designer(asset_type: str, given: str, found: int | str) -> None:
    assert kinds.checked_id(asset_type, given) == found


@pytest.mark.parametrize("asset_type", [each for each in TYPES if each.endswith("_v2")])
def test_the_operations_exist_that_the_refusal_of_a_name_suggests(asset_type: str) -> None:
    with pytest.raises(MarketoInvalidRequestError, match="Give asset_id") as refused:
        kinds.checked_type(asset_type, by_name=True)
    assert all(operations.get(name) for name in re.findall(rf"{asset_type}\.\w+", str(refused.value)))


@pytest.mark.parametrize("given", ["seven", "0", "-1", "1,2", ""])
def test_another_text_is_not_an_id(given: str) -> None:
    with pytest.raises(MarketoInvalidRequestError, match="is not an id of emails"):
        kinds.checked_id("emails", given)
