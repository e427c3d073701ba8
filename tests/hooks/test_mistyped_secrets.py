"""A secret that a person typed into the wrong field of a connection is shown by no error, log or ``repr``."""

from __future__ import annotations

import json
from traceback import walk_tb
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.hooks import adobe_events
from airflow_provider_marketo.hooks import settings as settings_module
from airflow_provider_marketo.hooks.adobe_events import AdobeEventsHook, JournalSettings
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.provider_info import get_provider_info
from tools.services import free_port

SECRET = "s3cret"
TYPED = [
    f"typed-{SECRET}",
    f"redis-{SECRET}",
    [f"typed-{SECRET}"],
    [[f"typed-{SECRET}"]],
    {"a": f"typed-{SECRET}"},
    f"{SECRET}\n",
    f"https://{SECRET}:x@127.0.0.1:1",
]
EXTRAS = {each["connection-type"]: list(each["conn-fields"]) for each in get_provider_info()["connection-types"]}
TYPES: dict[str, tuple[type, type]] = {
    "marketo": (ConnectionSettings, MarketoHook),
    "adobe_events": (JournalSettings, AdobeEventsHook),
}
FIELDS = [(kind, name) for kind, names in EXTRAS.items() for name in ["host", "login", *names]]


def facts_of(kind: str) -> dict[str, Any]:
    host = f"http://127.0.0.1:{free_port()}"
    return {"conn_type": kind, "host": f"{host}/a" if kind == "adobe_events" else host, "login": "id", "password": "p"}


def variables_of_reading(error: BaseException) -> list[str]:
    """Return the variables that a recorder of tracebacks would find where an extra is read."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    modules = (settings_module.__file__, adobe_events.__file__)
    # The frame of from_connection has Airflow's connection and the host; the message names this field.
    return [
        repr(value)
        for frame in frames
        if frame.f_code.co_filename in modules
        for name, value in frame.f_locals.items()
        if name not in ("host", "login")
    ]


@pytest.mark.parametrize("typed", TYPED, ids=json.dumps)
@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_secret_in_the_wrong_field_is_nowhere_in_errors_and_logs(
    kind: str, name: str, typed: Any, caplog, monkeypatch
):
    caplog.set_level("DEBUG")
    monkeypatch.setattr(SystemClock, "sleep", lambda self, seconds: None)
    reader, hook = TYPES[kind]
    facts, extra = facts_of(kind), {"ims_org": "A@AdobeOrg"} if kind == "adobe_events" else {}
    if name in ("host", "login"):
        if not isinstance(typed, str):
            pytest.skip("the form has texts here")
        facts[name] = typed
    else:
        extra[name] = typed
    shown = []
    try:
        settings = reader.from_connection(Connection(conn_id="c", extra=json.dumps(extra), **facts))
        shown += [repr(settings), str(settings)]
        shown += [text for _, text in [hook(settings=settings).test_connection()]]
    except MarketoError as error:
        shown += [str(error), repr(error), *variables_of_reading(error)]
    assert SECRET not in "".join(shown) + caplog.text


@pytest.mark.parametrize("kind", TYPES)
def test_numbers_are_not_quoted_either(kind: str):
    for name in ("connect_timeout", "read_timeout"):
        extra = json.dumps({name: 48151623, "ims_org": "A@AdobeOrg"})
        with pytest.raises(MarketoError, match=f"c: {name} is not a number from") as caught:
            TYPES[kind][0].from_connection(Connection(conn_id="c", extra=extra, **facts_of(kind)))
        assert "48151623" not in str(caught.value)
