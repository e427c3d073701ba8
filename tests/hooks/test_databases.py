"""An error shows the database's message, and no value of a row or of a parameter."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.hooks.databases import MarketoDatabaseError, saying_plainly, without_values


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            'invalid input syntax for type integer: "Ada"\nLINE 1',
            'invalid input syntax for type integer: "***"',
        ),
        ("Key (email)=(Ada Lovelace) already exists.", "Key (email)=(***) already exists."),
        ('date/time field value out of range: "2026-13-01"', 'date/time field value out of range: "***"'),
        ("Duplicate entry 'ada' for key 'email'", "Duplicate entry '***' for key 'email'"),
        ("Could not convert string 'Ada' to INT32", "Could not convert string '***' to INT32"),
        ('Duplicate key "email: ada" violates primary key', 'Duplicate key "***" violates primary key'),
        ('unrecognized token: "\'Ada"', 'unrecognized token: "***"'),
        ("refused for ada@example.com, sorry", "refused for *** sorry"),
        ("the row of Lovelace, Ada", "the row of ***, Ada"),
    ],
)
def test_values_are_hidden(said: str, shown: str) -> None:
    assert without_values(ValueError(said), ["Lovelace"]) == shown


@pytest.mark.parametrize(
    "said",
    [
        'column "emial" does not exist',
        'relation "peple" does not exist',
        'syntax error at or near "qelect"',
        "no such column: emial",
        "Unknown column 'emial' in 'field list'",
        'password authentication failed for user "loader"',
        'could not translate host name "db.example" to address',
    ],
)
def test_names_are_shown(said: str) -> None:
    assert without_values(ValueError(said)) == said


def test_a_failure_is_a_sentence_with_the_argument() -> None:
    said = r"^sql: the query failed \(ValueError: no such column: x\)\. Try the query"
    with pytest.raises(MarketoDatabaseError, match=said), saying_plainly("the query failed", "sql", {"a": 1}):
        raise ValueError("no such column: x")
