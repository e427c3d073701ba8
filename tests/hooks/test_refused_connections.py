"""A connection that is refused shows no secret in a traceback that is recorded with its variables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.adobe_events import JournalSettings
from airflow_provider_marketo.hooks.settings import ConnectionSettings

SECRETS = ("hidden-password", "hidden-hash", "hidden-proxy")
EXTRA = {"hash_secret": SECRETS[1], "proxy": f"http://user:{SECRETS[2]}@127.0.0.1:1", "ims_org": "A@AdobeOrg"}
TYPES = {
    ConnectionSettings: {"conn_type": "marketo", "host": "123-ABC-456"},
    JournalSettings: {"conn_type": "adobe_events", "host": "https://events-va6.adobe.io/events/x"},
}


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "wrong",
    [
        {"conn_type": "postgres"},
        {"host": ""},
        {"login": ""},
        {"login": " id"},
        {"password": f"{SECRETS[0]}\n"},
        {"password": f"\t{SECRETS[0]}"},
        {"extra": json.dumps({**EXTRA, "connect_timeout": "soon"})},
        {"extra": json.dumps({**EXTRA, "ca_bundle": [1]})},
        {"extra": json.dumps([EXTRA])},
    ],
    ids=str,
)
def test_the_error_about_a_refused_connection_holds_no_secret_in_its_frames(kind: Any, wrong: dict[str, str]):
    if kind is JournalSettings and wrong == {"host": ""}:
        wrong = {"host": "events.example.com"}
    facts = {"login": "id", "password": SECRETS[0], "extra": json.dumps(EXTRA), **TYPES[kind], **wrong}
    with pytest.raises(MarketoInvalidRequestError) as caught:
        kind.from_connection(Connection(conn_id="c", **facts))
    traceback, shown = caught.value.__traceback__, [str(caught.value), repr(caught.value)]
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename != __file__:
            shown += [repr(value) for value in traceback.tb_frame.f_locals.values()]
        traceback = traceback.tb_next
    assert not [secret for secret in SECRETS if secret in "".join(shown)]
