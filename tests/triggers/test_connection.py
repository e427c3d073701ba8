"""How a triggerer reads a connection."""

from __future__ import annotations

import asyncio

import pytest
from airflow.providers.common.compat.sdk import Connection
from airflow.sdk.execution_time import context, supervisor

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.triggers.connection import settings_of

STORED = Connection(conn_id="stored", conn_type="marketo", host="123-ABC-456", login="an id", password="a secret")


class OnlySynchronous:
    """The metadata database as `airflow dags test` shows it to a trigger (Airflow 3.3)."""

    def get_connection(self, conn_id):
        if _on_event_loop():
            raise RuntimeError("the event loop is blocked")
        return STORED if conn_id == "stored" else None

    async def aget_connection(self, conn_id):
        return None


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@pytest.fixture(autouse=True)
def database(monkeypatch):
    for module in (context, supervisor):
        if hasattr(module, "ensure_secrets_backend_loaded"):
            monkeypatch.setattr(module, "ensure_secrets_backend_loaded", lambda: [OnlySynchronous()])


def test_a_connection_that_only_the_synchronous_look_up_finds_is_read_off_the_event_loop():
    assert asyncio.run(settings_of("stored")).host == "123-ABC-456"


def test_a_missing_connection_is_said_with_the_place_where_it_is_missing():
    with pytest.raises(MarketoError, match=r"the triggerer finds no connection nothing\. Define it where the trigger"):
        asyncio.run(settings_of("nothing"))


def test_a_connection_that_cannot_be_read_is_not_called_missing(monkeypatch):
    def malformed(_):
        raise ValueError("not a URI, with a part of the secret")

    monkeypatch.setattr("airflow.sdk.BaseHook.get_connection", malformed)
    with pytest.raises(MarketoError, match=r"cannot read the connection malformed\. .*enter it again") as caught:
        asyncio.run(settings_of("malformed"))
    assert "secret" not in str(caught.value)
