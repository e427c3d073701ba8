"""The connection to a journal, and its hook."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack

import pytest
from airflow.sdk import Connection

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks import adobe_events
from airflow_provider_marketo.hooks.adobe_events import DEFAULT_SCOPES, AdobeEventsHook, JournalSettings
from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.simulator.journal import CLIENT_ID, CLIENT_SECRET, IMS_ORG
from tests.seed import DATES

URL = "https://events-va6.adobe.io/events/organizations/1/integrations/2/3"
ORG = "ORG0@AdobeOrg"


def settings(extra=None, **changes):
    given = {
        "conn_id": "adobe",
        "conn_type": "adobe_events",
        "host": URL,
        "login": "id",
        "password": "a secret",
    } | changes
    return JournalSettings.from_connection(Connection(extra=json.dumps({"ims_org": ORG} | (extra or {})), **given))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(adobe_events, "governor_folder", lambda: tmp_path)


@pytest.fixture
def sim():
    with Simulator(Settings(leads=50, activities=900, **DATES)) as simulator:
        yield simulator


@pytest.fixture
def hook(sim, monkeypatch):
    def make(**extra):
        monkeypatch.setenv("AIRFLOW_CONN_ADOBE", sim.adobe_connection(**extra))
        return AdobeEventsHook("adobe")

    return make


@pytest.mark.parametrize(
    ("changes", "extra", "named"),
    [
        ({"conn_type": "marketo"}, {}, "conn_type"),
        ({"host": ""}, {}, "host"),
        ({"host": "https://events-va6.adobe.io"}, {}, "host"),
        ({"login": ""}, {}, "login (client id)"),
        ({"password": ""}, {}, "password (client secret)"),
        ({"password": "a secret\n"}, {}, "password (client secret)"),
        ({}, {"ims_org": ""}, "ims_org"),
        ({}, {"ims_org": "ORG0"}, "ims_org"),
        ({}, {"munchkin_ids": "123-ABC-456, my instance"}, "munchkin_ids"),
        ({}, {"connect_timeout": "soon"}, "connect_timeout"),
        ({}, {"ims_url": "http://ims.example.com"}, "ims_url"),
    ],
)
def test_a_wrong_field_is_refused_by_name(changes, extra, named):
    with pytest.raises(MarketoInvalidRequestError) as error:
        settings(extra, **changes)
    assert error.value.parameter == named
    assert "a secret" not in str(error.value)


@pytest.mark.parametrize("given", ["openid,adobeio_api", "openid adobeio_api", ["openid", "adobeio_api"]])
def test_scopes_and_munchkin_ids_are_lists_in_any_spelling(given):
    assert settings({"scopes": given}).scopes == ("openid", "adobeio_api")
    assert settings().scopes == DEFAULT_SCOPES
    assert settings({"munchkin_ids": "123-abc-456, 999-XYZ-000"}).munchkin_ids == ("123-ABC-456", "999-XYZ-000")


def test_the_instance_is_that_of_the_marketo_connection_if_the_journal_has_it():
    assert settings().instance_of("123-abc-456") == "123-ABC-456"
    assert settings({"munchkin_ids": "123-ABC-456"}).instance_of("127.0.0.1:8090") == "123-ABC-456"
    with pytest.raises(
        MarketoInvalidRequestError, match="reads the journal of 999-XYZ-000, and the Marketo connection leads to"
    ):
        settings({"munchkin_ids": "999-XYZ-000"}).instance_of("123-ABC-456")
    with pytest.raises(MarketoInvalidRequestError, match="does not contain the Munchkin ID"):
        settings().instance_of("marketo.example.com")


def test_the_test_says_what_is_in_the_journal(sim, hook):
    assert hook().test_connection() == (True, "The journal can be read; its oldest page has no event of Marketo yet.")
    sim.journal.behave(others=1.0)
    lead = next(iter(sim.instance.store.leads.keys()))
    sim.instance.store.activities.add(sim.instance.now, lead, 2)
    works, text = hook().test_connection()
    assert works
    assert "2 events of 123-ABC-456, 999-XYZ-000; munchkin_ids does not name 999-XYZ-000" in text


@pytest.mark.parametrize(
    ("extra", "manner", "words"),
    [
        ({"ims_org": ORG}, {}, "Check that the connection's ims_org is the organization"),
        ({}, {"management_api": False}, "Add the I/O Management API to the same project"),
        ({"scopes": "openid"}, {}, "Add the I/O Management API to the same project"),
    ],
)
def test_the_test_names_the_step_that_is_missing(sim, hook, extra, manner, words):
    sim.journal.behave(**manner)
    works, text = hook(**extra).test_connection()
    assert not works
    assert words in text


def test_hooks_of_a_host_share_one_token(sim, hook):
    for _ in range(3):
        assert hook().test_connection()[0]
    assert sim.report().calls["ims.token"] == 1
    assert sim.report().total_calls == 0


READER = """
import sys
from pathlib import Path
from airflow_provider_marketo.client.journal.address import JournalAddress
from airflow_provider_marketo.client.journal.client import JournalClient
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.hooks.token_file import TokenFile

url, folder, client_id, secret, ims_org = sys.argv[1:]
address, secret = JournalAddress.parse(url), Secret(secret)
store = TokenFile(Path(folder), (address.ims, client_id), secret)
client = JournalClient(address, client_id, secret, ims_org=ims_org, scopes=("openid", "adobeio_api"), store=store)
print("ready", flush=True)
for _ in sys.stdin:
    client.page(address.oldest())
    print("read", flush=True)
"""


def test_processes_that_need_a_token_at_the_same_moment_make_one_request(sim, tmp_path):
    command = [sys.executable, "-c", READER, sim.journal_url, str(tmp_path), CLIENT_ID, CLIENT_SECRET, IMS_ORG]
    with ExitStack() as running:
        readers = [
            running.enter_context(
                subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
            )
            for _ in range(5)
        ]

        def told() -> list[str]:
            return [reader.stdout.readline().strip() for reader in readers]

        def all_read() -> list[str]:
            for reader in readers:
                reader.stdin.write("\n")
                reader.stdin.flush()
            return told()

        assert told() == ["ready"] * 5
        assert all_read() == ["read"] * 5
        assert sim.report().calls["ims.token"] == 1
        for renewals in (1, 2):
            sim.expire_adobe_tokens()
            assert all_read() == ["read"] * 5
            assert sim.report().calls["ims.token"] == 1 + renewals
        for reader in readers:
            reader.stdin.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert CLIENT_SECRET.encode() not in kept


def test_a_missing_connection_says_how_to_create_it():
    with pytest.raises(Exception, match=r"airflow connections add nowhere --conn-type adobe_events"):
        _ = AdobeEventsHook("nowhere").settings
