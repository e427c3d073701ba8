"""Tables that Marketo does not list: it looks their records up by keys."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.listings.table import LISTINGS
from airflow_provider_marketo.output.manifest import CHANGES
from tests.listings.support import dataset, rows, run
from tests.operators.importing import governed

__all__ = ["governed"]

NEW: dict[str, list[dict[str, Any]]] = {
    "companies": [{"externalCompanyId": f"C-{n}", "company": f"Company {n}"} for n in range(301)],
    "opportunities": [{"externalOpportunityId": f"O-{n}", "name": f"Deal {n}", "amount": 10.5} for n in range(3)],
    "opportunity_roles": [{"externalOpportunityId": f"O-{n}", "leadId": 1001, "role": "Buyer"} for n in range(3)],
    "sales_persons": [{"externalSalesPersonId": f"S-{n}", "email": f"s{n}@example.com"} for n in range(3)],
    "named_accounts": [{"name": f"Account {n}"} for n in range(3)],
}


@pytest.fixture
def instance(marketo, governed) -> Any:
    found = marketo(leads=20, activities=20, limits=False)
    for table, records in NEW.items():
        for first in range(0, len(records), 300):
            MarketoHook().call(f"{table}.sync", input=records[first : first + 300])
    return found


def test_every_key_that_there_is_finds_its_rows_once(instance, tmp_path):
    keys = {table: [record[LISTINGS[table].looked_up_by] for record in records] for table, records in NEW.items()}
    keys["companies"].append("not there")
    manifest = run(tmp_path, *keys, keys=keys)
    for table, records in NEW.items():
        found = rows(tmp_path, table)
        by = LISTINGS[table].looked_up_by
        assert sorted(row[by] for row in found) == sorted(record[by] for record in records)
        assert (dataset(manifest, table).kind, dataset(manifest, table).key) == (CHANGES, LISTINGS[table].key)
    assert instance.report().calls["companies.get"] == 2
    types = {each.name: each.type for each in dataset(manifest, "opportunities").columns}
    assert types["amount"] == "decimal128(20, 4)"


def test_columns_of_the_instance_can_be_chosen(instance, tmp_path):
    run(tmp_path, "companies", keys={"companies": ["C-7"]}, fields=["company"])
    (row,) = rows(tmp_path, "companies")
    assert (list(row), row["company"]) == (["id", "company"], "Company 7")
    with pytest.raises(AirflowFailException, match="no hash_secret, which is needed to hash company"):
        run(tmp_path, "companies", keys={"companies": ["C-7"]}, hash_fields=["company"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Marketo does not list companies: it only looks them up by externalCompanyId"),
        ({"keys": {"companies": ["C-1"], "programs": ["1"]}}, "'programs' is not among the tables that need keys"),
        ({"keys": ["C-1"]}, "keys is not a mapping of tables to lists"),
        ({"keys": {"companies": ["C-1"]}, "fields": ["compani"]}, "has a column 'compani' .did you mean 'company'"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(instance, tmp_path, arguments, message):
    with pytest.raises(AirflowFailException, match=message):
        run(tmp_path, "companies", **arguments)
    assert "companies.get" not in instance.report().calls
