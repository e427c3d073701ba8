"""The fields of a connection, and the errors about them."""

from __future__ import annotations

import pytest
from airflow.sdk import Connection

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.settings import ConnectionSettings


def settings(extra: str = "{}", **fields) -> ConnectionSettings:
    fields = {"host": "123-ABC-456", "login": "an-id", "password": "a-secret"} | fields
    return ConnectionSettings.from_connection(
        Connection(conn_id="marketo_eu", conn_type="marketo", extra=extra, **fields)
    )


def test_host_login_and_password_are_enough():
    read = settings()
    assert (read.host, read.client_id, read.client_secret) == ("123-ABC-456", "an-id", "a-secret")
    assert (read.pool, read.max_parallel, read.rate_limit, read.poll_interval) == ("marketo", 8, 90, 60.0)


def test_a_text_from_the_form_and_a_number_from_a_backend_are_equal():
    assert settings('{"max_parallel": "4", "proxy": ""}') == settings('{"max_parallel": 4}')


def test_the_secrets_are_what_a_log_must_not_show():
    assert settings().secrets == ("a-secret",)
    extra = '{"hash_salt": "salt", "proxy": "http://user:hidden@proxy.example.com:3128"}'
    assert settings(extra).secrets == ("a-secret", "salt", "hidden")


def test_the_repr_of_the_settings_shows_no_secret():
    shown = repr(settings('{"hash_salt": "the-salt", "proxy": "http://user:hidden@proxy.example.com:3128"}'))
    assert "123-ABC-456" in shown
    assert not [secret for secret in ("a-secret", "the-salt", "hidden") if secret in shown]


def test_a_port_belongs_to_the_host():
    assert settings(host="http://127.0.0.1", port=8123).host == "http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": ""}, "marketo_eu: host is empty"),
        ({"login": None}, "client id"),
        ({"password": None}, "client secret"),
        ({"extra": '{"max_parallel": 11}'}, "max_parallel is 11 and must be between 1 and 10"),
        ({"extra": '{"rate_limit": "many"}'}, "rate_limit is not a number"),
    ],
)
def test_an_error_names_the_connection_and_the_field(fields, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        settings(**fields)
