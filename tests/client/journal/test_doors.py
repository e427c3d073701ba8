"""A journal and IMS behind the connection's proxy and certificates, and answers that never end."""

from __future__ import annotations

import gzip
from datetime import datetime, timezone

import pytest
import requests
from requests_mock import ANY

from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.journal.address import ADOBE_IMS, JournalAddress
from airflow_provider_marketo.client.journal.client import JournalClient
from airflow_provider_marketo.client.secret import Secret

JOURNAL = "https://events-va6.adobe.io/events/organizations/1/integrations/2/abc"
TOKEN = f"{ADOBE_IMS}/ims/token/v3"
OURS = "http://ours.example.com:3128"


class Quiet:
    """A clock that never waits."""

    def now(self):
        return datetime.now(timezone.utc)

    def sleep(self, seconds):
        """Do not wait."""


def client(**how):
    return JournalClient(
        JournalAddress.parse(JOURNAL),
        "id",
        Secret("a-secret"),
        ims_org="A@AdobeOrg",
        scopes=("s",),
        clock=Quiet(),
        **how,
    )


@pytest.fixture(autouse=True)
def token(requests_mock):
    requests_mock.post(TOKEN, json={"access_token": "t", "expires_in": 86400})


def test_the_connections_proxy_and_certificates_win_for_the_journal_and_for_ims(monkeypatch, tmp_path, requests_mock):
    bundle = tmp_path / "ours.pem"
    bundle.touch()
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "https://events-va6.adobe.io_proxy"):
        monkeypatch.setenv(name, "http://mitm.example.com:1")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "theirs.pem"))
    monkeypatch.setenv("NO_PROXY", "*")
    requests_mock.get(JOURNAL, status_code=204)
    reader = client(proxy=OURS, ca_bundle=str(bundle))
    reader.page(JOURNAL)
    asked = requests_mock.request_history
    assert [request.hostname for request in asked] == ["ims-na1.adobelogin.com", "events-va6.adobe.io"]
    assert {request.verify for request in asked} == {str(bundle)}
    assert {requests.utils.select_proxy(request.url, request.proxies) for request in asked} == {OURS}


@pytest.mark.parametrize("place", [JOURNAL, TOKEN])
def test_no_redirect_is_followed(requests_mock, place):
    requests_mock.get(JOURNAL, status_code=204)
    elsewhere = requests_mock.register_uri(ANY, "https://evil.example.com/", json={})
    requests_mock.register_uri(
        "POST" if place == TOKEN else "GET", place, status_code=307, headers={"Location": "https://evil.example.com/"}
    )
    with pytest.raises(MarketoConnectionError, match="host redirects instead of answering"):
        client().page(JOURNAL)
    assert not elsewhere.called


@pytest.mark.parametrize("status", [403, 404, 407])
def test_an_address_that_is_not_that_of_ims_is_named(requests_mock, status):
    requests_mock.post(TOKEN, status_code=status)
    with pytest.raises(MarketoInvalidRequestError, match=r"^ims\.token: IMS does not answer.*ims_url"):
        client().page(JOURNAL)


@pytest.mark.parametrize("body", [{}, {"error": "server_error"}])
def test_an_answer_of_ims_without_a_token_is_not_called_marketos(requests_mock, body):
    requests_mock.post(TOKEN, json=body)
    with pytest.raises(MarketoError, match="IMS gave n") as caught:
        client().page(JOURNAL)
    assert "Marketo's" not in str(caught.value)
    assert "identity_url" not in str(caught.value)
    assert "LaunchPoint" not in str(caught.value)


def test_a_page_that_unpacks_to_more_than_a_reply_may_have_is_an_error(requests_mock):
    bomb = gzip.compress(bytes(40 << 20))
    requests_mock.get(JOURNAL, content=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(MarketoTransientError, match="larger than 32 MB"):
        client().page(JOURNAL)
