"""The addresses of a journal."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.journal.address import ADOBE_IMS, JournalAddress, links_of

URL = "https://events-va6.adobe.io/events/organizations/1/integrations/2/3-4"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("", "not a URL"),
        ("events-va6.adobe.io", "not a URL"),
        ("https://user:pass@events-va6.adobe.io/x", "not a URL"),
        ("https://events-va6.adobe.io\n/x", "not a URL"),
        ("https://events-va6.adobe.io", "no path"),
        ("http://events-va6.adobe.io/events/x", "plain http"),
    ],
)
def test_what_is_not_a_journal_is_refused_with_the_place_to_copy_it_from(url, what):
    with pytest.raises(MarketoInvalidRequestError, match=what) as error:
        JournalAddress.parse(url)
    assert error.value.parameter == "host"
    assert error.value.remedy


def test_adobes_ims_is_used_unless_the_journal_is_a_simulator_or_the_connection_names_another():
    assert JournalAddress.parse(URL).ims == ADOBE_IMS
    assert JournalAddress.parse("http://127.0.0.1:8090/events/x").ims == "http://127.0.0.1:8090"
    assert JournalAddress.parse(URL, "https://ims-na2.example.com/").ims == "https://ims-na2.example.com"
    with pytest.raises(MarketoInvalidRequestError, match="ims_url uses plain http"):
        JournalAddress.parse(URL, "http://ims.example.com")


@pytest.mark.parametrize(
    "link", ["/events-fast/x?since=a%3Ab", "https://events-va6.adobe.io/events-fast/x?since=a%3Ab"]
)
def test_a_link_of_any_form_is_resolved_and_stored_without_its_host(link):
    address = JournalAddress.parse(URL)
    assert address.resolve(link) == "https://events-va6.adobe.io/events-fast/x?since=a%3Ab"
    assert address.relative(link) == "/events-fast/x?since=a%3Ab"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.com/events-fast/x",
        "//evil.example.com/x",
        "http://events-va6.adobe.io/x",
        "https://events-va6.adobe.io:8443/x",
        "https://events-va6.adobe.io@evil.example.com/x",
    ],
)
def test_a_link_to_another_host_is_refused(link):
    with pytest.raises(MarketoDataError, match="another host"):
        JournalAddress.parse(URL).resolve(link)


def test_positions_times_and_the_end_have_addresses():
    address = JournalAddress.parse(URL)
    assert address.since("heron:1:2") == f"{URL}?since=heron%3A1%3A2"
    assert address.seek(timedelta(hours=2)) == f"{URL}?seek=-PT7200S"
    assert address.latest() == f"{URL}?latest=true"


def test_links_are_read_from_one_header_with_templates_among_them():
    header = '</a?since=x>; rel="next", </b?seek={duration}&limit={count}>; rel="seek", </c>; rel=events, <>; rel="x"'
    assert links_of({"Link": header}) == {
        "next": "/a?since=x",
        "seek": "/b?seek={duration}&limit={count}",
        "events": "/c",
    }
    assert links_of({}) == {}


@pytest.mark.parametrize("link", ["http://[::1/x", "https://x]/y", "//[::1"])
def test_a_link_that_is_not_a_url_is_an_error_of_the_journal(link):
    with pytest.raises(MarketoDataError, match="not a URL"):
        JournalAddress.parse("https://events-va6.adobe.io/events/x").resolve(link)
