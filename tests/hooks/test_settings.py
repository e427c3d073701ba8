"""The fields of a connection, and the errors about them."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from airflow.sdk import Connection

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.settings import ConnectionSettings


def settings(extra: str = "{}", **fields) -> ConnectionSettings:
    fields = {"conn_type": "marketo", "host": "123-ABC-456", "login": "an-id", "password": "a-secret"} | fields
    return ConnectionSettings.from_connection(Connection(conn_id="marketo_eu", extra=extra, **fields))


def test_host_login_and_password_are_enough():
    read = settings()
    assert (read.host, read.client_id, read.client_secret.reveal()) == ("123-ABC-456", "an-id", "a-secret")
    assert (read.pool, read.max_parallel, read.rate_limit, read.poll_interval) == ("marketo", 8, 90, 60.0)
    assert (read.reserve, read.export_reserve_mb, read.coordination) == (0, 0, "auto")
    assert (read.daily_quota, read.export_daily_mb, read.connect_timeout) == (50_000, 500, 10.0)
    assert (read.read_timeout, settings('{"read_timeout": 7}').read_timeout) == (None, 7.0)


def test_a_text_from_the_form_and_a_number_from_a_backend_are_equal():
    assert settings('{"max_parallel": "4", "proxy": ""}') == settings('{"max_parallel": 4}')


EXTRA_SECRETS = '{"hash_secret": "the-key", "proxy": "http://user:hid%40den@proxy.example.com:3128"}'


@pytest.mark.parametrize(
    ("extra", "masked"), [("{}", ["a-secret"]), (EXTRA_SECRETS, ["a-secret", "the-key", "hid%40den", "hid@den"])]
)
def test_what_a_log_must_not_show_is_masked(extra, masked):
    texts = []
    settings(extra).mask(texts.append)
    assert texts == masked


@pytest.mark.parametrize("show", [repr, str, format, vars, asdict, lambda it: f"{it}", lambda it: repr(vars(it))])
def test_settings_show_no_secret(show):
    shown = str(show(settings(EXTRA_SECRETS)))
    assert "marketo_eu" in shown
    assert not [secret for secret in ("a-secret", "the-key", "hid%40den") if secret in shown]


def test_settings_show_no_text_that_may_be_a_secret_in_the_wrong_field():
    texts = ("identity_url", "partner_id", "pool", "redis_conn_id", "ca_bundle", "ui_url")
    read = settings(json.dumps({name: f"typed-{name}" for name in texts}), host="typed-host", login="typed-login")
    assert read.pool == "typed-pool"
    assert "typed-" not in repr(read)
    assert [read.shown(name) for name in ("pool", "rate_limit")] == ["another pool", "rate_limit=90"]


@pytest.mark.parametrize("conn_type", ["http", "postgres", "Marketo", "marketo_rest"])
def test_a_connection_of_another_type_is_refused_by_name(conn_type):
    with pytest.raises(MarketoInvalidRequestError, match=f"marketo_eu: conn_type is '{conn_type}'") as caught:
        settings(conn_type=conn_type)
    assert caught.value.parameter == "conn_type"


@pytest.mark.parametrize(
    ("conn_type", "way_out"),
    [
        ("postgres", "Name a connection of type marketo"),
        ("Marketo", "Write it exactly as marketo"),
        ("marketo ", "Write it exactly as"),
    ],
)
def test_a_type_that_differs_only_in_its_spelling_is_to_be_corrected(conn_type, way_out):
    with pytest.raises(MarketoInvalidRequestError, match=way_out) as caught:
        settings(conn_type=conn_type)
    assert ("not meant" in str(caught.value)) is (conn_type == "postgres")


@pytest.mark.parametrize("conn_type", [None, "", "marketo"])
def test_a_connection_without_a_type_is_accepted(conn_type):
    assert settings(conn_type=conn_type).client_id == "an-id"


NUMBERS = ("max_parallel", "rate_limit", "daily_quota", "reserve", "poll_interval", "connect_timeout", "read_timeout")
TEXTS = ("pool", "partner_id", "identity_url", "proxy", "ca_bundle", "ui_url", "hash_secret", "redis_conn_id")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, [], {"a": 1}, "x", 1e400, -1e400, float("nan"), 10**400, "9" * 6_000])
def test_a_number_of_another_type_or_size_is_refused_by_name(name, value):
    with pytest.raises(MarketoInvalidRequestError, match=f"marketo_eu: {name} is ") as caught:
        settings(json.dumps({name: value}))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "step"),
    [
        ("max_parallel", 1, 10, 1),
        ("rate_limit", 1, 100, 1),
        ("daily_quota", 1, 1_000_000_000, 1),
        ("export_daily_mb", 1, 1_000_000_000, 1),
        ("reserve", 0, 50_000, 1),
        ("export_reserve_mb", 0, 500, 1),
        ("poll_interval", 0.1, 3_600, 0.01),
        ("connect_timeout", 0.1, 300, 0.01),
        ("read_timeout", 1, 3_600, 0.01),
    ],
)
def test_a_number_may_be_the_lowest_and_the_highest_and_nothing_beyond(name, lowest, highest, step):
    assert [getattr(settings(json.dumps({name: value})), name) for value in (lowest, highest)] == [lowest, highest]
    kind = "a number" if step < 1 else "a whole number"
    for value in (lowest - step, highest + step):
        with pytest.raises(MarketoInvalidRequestError, match=f"{name} is not {kind} from {lowest:,} to {highest:,}"):
            settings(json.dumps({name: value}))


def test_a_text_has_at_most_ten_thousand_characters():
    assert settings(json.dumps({"pool": "x" * 10_000})).pool == "x" * 10_000
    with pytest.raises(MarketoInvalidRequestError, match="more than 10000 characters"):
        settings(json.dumps({"pool": "x" * 10_001}))


def test_redis_needs_the_connection_to_its_server():
    with pytest.raises(MarketoInvalidRequestError, match="redis_conn_id is empty"):
        settings('{"coordination": "redis"}')
    assert settings('{"coordination": "Redis", "redis_conn_id": "r"}').coordination == "redis"


@pytest.mark.parametrize("name", NUMBERS[:4])
def test_a_part_of_a_number_is_not_cut_off(name):
    with pytest.raises(MarketoInvalidRequestError, match=f"{name} is not a whole number from"):
        settings(json.dumps({name: 1.5}))


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "value", [True, ["a-value"], {"a": "a-value"}, "a-value\x00", "a-value\r\nX: y", "x" * 100_000]
)
def test_a_text_of_another_type_or_with_control_characters_is_refused_without_it(name, value):
    with pytest.raises(MarketoInvalidRequestError, match=f"marketo_eu: {name} ") as caught:
        settings(json.dumps({name: value}))
    assert "a-value" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_misspelt_extra_or_word_is_answered_with_the_nearest(caplog):
    settings('{"max_paralel": 4, "owner": "a team"}')
    assert "the extra 'max_paralel' is not read. Did you mean 'max_parallel'?" in caplog.text
    assert "owner" not in caplog.text
    with pytest.raises(MarketoInvalidRequestError, match="Did you mean 'redis'"):
        settings('{"coordination": "rediss"}')


def test_fields_are_hashed_with_a_key_or_not_at_all():
    assert settings().hash_key([]) is None
    assert settings(EXTRA_SECRETS).hash_key(["email"]).reveal() == "the-key"
    with pytest.raises(
        MarketoInvalidRequestError, match="has no hash_secret, which is needed to hash email, phone"
    ) as caught:
        settings().hash_key(["email", "phone"])
    assert caught.value.parameter == "hash_fields"


@pytest.mark.parametrize(
    ("host", "port", "read"),
    [
        ("http://127.0.0.1", 8123, "http://127.0.0.1:8123"),
        ("http://127.0.0.1/", 8123, "http://127.0.0.1:8123"),
        ("http://127.0.0.1:8123", 8123, "http://127.0.0.1:8123"),
        ("http://127.0.0.1", None, "http://127.0.0.1"),
        ("123-ABC-456", 443, "123-ABC-456"),
    ],
)
def test_a_port_belongs_to_a_host_that_is_a_url(host, port, read):
    assert settings(host=host, port=port).host == read


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": ""}, "marketo_eu: host is empty"),
        ({"password": "a-secret\n"}, r"password \(client secret\) ends with whitespace"),
        ({"password": " a-secret\t"}, r"password \(client secret\) begins and ends with whitespace"),
        ({"login": "\u00a0an-id"}, r"login \(client id\) begins with whitespace"),
        ({"password": "a-secret\u200b"}, r"password \(client secret\) has a character that cannot be shown"),
        ({"password": "a-sec\nret"}, r"password \(client secret\) has a character that cannot be shown"),
        ({"login": "\ufeffan-id"}, r"login \(client id\) has a character that cannot be shown"),
        ({"password": '"a-secret"'}, r"password \(client secret\) is in quotation marks"),
        ({"login": "'an-id'"}, r"login \(client id\) is in quotation marks"),
        ({"login": None}, "client id"),
        ({"password": None}, "client secret"),
        ({"extra": '{"max_parallel": 11}'}, "max_parallel is not a whole number from 1 to 10"),
        ({"extra": '{"rate_limit": "many"}'}, "rate_limit is not a whole number from 1 to 100"),
    ],
)
def test_an_error_names_the_connection_and_the_field(fields, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        settings(**fields)
