"""Addresses that admins copy from Marketo, in every form."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError


@pytest.mark.parametrize(
    "host",
    [
        "123-ABC-456",
        "123-abc-456.mktorest.com",
        "https://123-abc-456.mktorest.com",
        "https://123-abc-456.mktorest.com/",
        "https://123-abc-456.mktorest.com/rest",
        "https://123-abc-456.mktorest.com/rest/",
        " https://123-abc-456.mktorest.com/identity ",
    ],
)
def test_every_shape_of_the_address_leads_to_the_same_instance(host):
    assert Endpoint.parse(host) == Endpoint(
        base="https://123-abc-456.mktorest.com",
        identity="https://123-abc-456.mktorest.com/identity",
        instance="123-ABC-456",
    )


def test_an_identity_url_of_its_own_is_taken_in_any_shape():
    for url in (
        "https://id.example.com/identity",
        "https://id.example.com/identity/oauth/token/",
        "https://id.example.com",
    ):
        assert Endpoint.parse("123-ABC-456", url).identity == "https://id.example.com/identity"


def test_a_host_without_a_munchkin_id_stands_for_itself():
    assert Endpoint.parse("http://127.0.0.1:8123").instance == "127.0.0.1:8123"


def test_data_ingestion_is_adobes_host_unless_a_simulator_on_this_machine_does_it_too():
    for host in ("123-ABC-456", "https://marketo.example.com"):
        assert Endpoint.parse(host).ingestion == "https://mkto-ingestion-api.adobe.io"
    for host in ("http://127.0.0.1:8123", "http://localhost:8123"):
        assert Endpoint.parse(host).ingestion == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "ftp://x.example.com",
        "https://",
        "https://user:secret@x.example.com",
        "https://x.exam ple.com",
        "https://x.example.com\r\nHost: y.example.com",
        "https://x.exa\nmple.com",
        "https://x.example\t.com",
        "x.example.com\x00",
        "https://x.example.com:port",
        "https://x.example.com:99999",
        "https://[::1",
        "https://ex\u200bample.com",
    ],
)
def test_anything_else_is_refused(host):
    with pytest.raises(MarketoInvalidRequestError, match=r"^the connection's host (is not the URL|has a path)"):
        Endpoint.parse(host)


@pytest.mark.parametrize(
    "url",
    [
        "app-sj01.marketo.com",
        "https://app-sj01.marketo.com/#MM0A1",
        "https://experience.adobe.com",
        "engage-ab.marketo.com",
    ],
)
def test_the_address_of_marketos_pages_is_refused_before_it_gets_the_secret(url):
    with pytest.raises(MarketoInvalidRequestError, match=r"host is the address of Marketo's web pages.*Munchkin"):
        Endpoint.parse(url)
    with pytest.raises(MarketoInvalidRequestError, match=r"identity_url is the address of Marketo's web pages"):
        Endpoint.parse("123-ABC-456", url if "://" in url else f"https://{url}")


@pytest.mark.parametrize("url", ["https://id.exa\r\nmple.com/identity", "https://id.example.com/iden tity", "id"])
def test_an_identity_url_has_no_blanks_and_no_line_breaks(url):
    with pytest.raises(MarketoInvalidRequestError, match="the connection's identity_url is not"):
        Endpoint.parse("123-ABC-456", url)


def test_plain_http_is_for_this_machine_only():
    with pytest.raises(MarketoInvalidRequestError, match="host uses plain http"):
        Endpoint.parse("http://123-abc-456.mktorest.com")
    assert Endpoint.parse("http://localhost:1").base == "http://localhost:1"


def test_a_path_that_marketo_does_not_have_is_refused():
    with pytest.raises(MarketoInvalidRequestError, match="has a path that no Marketo instance has"):
        Endpoint.parse("https://123-abc-456.mktorest.com/v1")
