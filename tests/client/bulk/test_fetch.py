"""Fetching an export file through bad weather: what reaches the consumer is the file that was announced, or nothing."""

from __future__ import annotations

import hashlib
import io

import pytest

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.bulk.fetch import fetch
from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJob
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.governor.local import LocalGovernor
from tests.client.hostile import HostileServer
from tests.support import ManualClock

HOST = "https://123-abc-456.mktorest.com"
FILE = f"{HOST}/bulk/v1/leads/export/job-1/file.json"
OPERATION = "bulk_export_leads.get_file"
DATA = b"id,email\n" + b"".join(b"%d,lead%d@example.com\n" % (n, n) for n in range(1000))
CSV = {"Content-Type": "text/csv;charset=UTF-8"}


class Collector:
    """Keeps the bytes that it gets; may fail as if it cannot read them."""

    def __init__(self, complaint: Exception | None = None) -> None:
        self.data = b""
        self.complaint = complaint
        self.aborted = False

    def feed(self, data: bytes) -> None:
        if self.complaint is not None:
            raise self.complaint
        self.data += data

    def finish(self) -> bytes:
        return self.data

    def abort(self) -> None:
        self.aborted = True


class Breaking(io.BytesIO):
    """A connection that is reset after its content."""

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise ConnectionResetError
        return data


class Consumers:
    """Makes collectors and remembers them."""

    def __init__(self, *complaints: Exception | None) -> None:
        self.complaints = list(complaints)
        self.made: list[Collector] = []

    def __call__(self) -> Collector:
        self.made.append(Collector(self.complaints.pop(0) if self.complaints else None))
        return self.made[-1]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(requests_mock, clock) -> MarketoClient:
    requests_mock.post(f"{HOST}/identity/oauth/token", json={"access_token": "a-token", "expires_in": 3599})
    return MarketoClient("123-ABC-456", "an-id", "a-secret", clock=clock, governor=LocalGovernor(clock=clock))


@pytest.fixture
def fetched(client, clock):
    def run(consumers: Consumers | None = None, **facts) -> bytes:
        announced = {"size": len(DATA), "checksum": hashlib.sha256(DATA).hexdigest(), "records": 1000} | facts
        job = ExportJob("job-1", COMPLETED, **announced)
        return fetch(client, OPERATION, job, consumers or Consumers(), clock=clock)

    return run


def ranges(requests_mock) -> list[str | None]:
    return [request.headers.get("Range") for request in requests_mock.request_history if request.url == FILE]


def whole(data: bytes = DATA) -> dict:
    return {"content": data, "headers": CSV | {"Content-Length": str(len(data))}}


def part(offset: int) -> dict:
    return whole(DATA[offset:]) | {"status_code": 206}


def failure(code: str) -> dict:
    return {"json": {"success": False, "requestId": "a#1", "errors": [{"code": code, "message": "some text"}]}}


def test_a_file_is_one_call(fetched, requests_mock):
    requests_mock.get(FILE, **whole())
    assert fetched() == DATA
    assert ranges(requests_mock) == [None]


def test_a_broken_download_resumes_where_it_stopped(fetched, requests_mock):
    requests_mock.get(
        FILE,
        [
            {"body": Breaking(DATA[:100]), "headers": CSV},
            {"content": DATA[100:5000], "status_code": 206, "headers": CSV | {"Content-Length": str(len(DATA) - 100)}},
            part(5000),
        ],
    )
    assert fetched() == DATA
    assert ranges(requests_mock) == [None, "bytes=100-", "bytes=5000-"]


def test_a_download_that_ends_early_resumes_too(fetched, requests_mock):
    requests_mock.get(FILE, [whole(DATA[:100]), part(100)])
    assert fetched() == DATA
    assert ranges(requests_mock) == [None, "bytes=100-"]


def test_a_file_that_is_shorter_than_announced_is_an_error(fetched, requests_mock):
    requests_mock.get(FILE, [whole(DATA[:100]), {"status_code": 416}] * 2)
    with pytest.raises(errors.MarketoDataError, match="100 bytes arrived"):
        fetched()


def test_a_server_that_ignores_the_range_does_not_make_anything_come_twice(fetched, requests_mock):
    requests_mock.get(FILE, [{"body": Breaking(DATA[:100]), "headers": CSV}, whole()])
    assert fetched() == DATA


def test_a_server_that_ignores_the_range_may_send_the_same_megabytes_first(fetched, requests_mock):
    data = DATA * (4_000_000 // len(DATA))  # blocks of a megabyte: two and a half have arrived before
    known = {"size": len(data), "checksum": hashlib.sha256(data).hexdigest()}
    requests_mock.get(FILE, [{"body": Breaking(data[:2_500_000]), "headers": CSV}, whole(data)])
    assert fetched(**known) == data
    assert ranges(requests_mock) == [None, "bytes=2500000-"]


def test_breaks_do_not_count_while_bytes_arrive(fetched, requests_mock):
    starts = range(0, 100 * 10, 100)
    breaking = [{"body": Breaking(DATA[at : at + 100]), "status_code": 206, "headers": CSV} for at in starts]
    requests_mock.get(FILE, [*breaking, part(starts.stop)])
    assert fetched() == DATA
    assert len(ranges(requests_mock)) == len(starts) + 1


@pytest.mark.parametrize("ends", ["breaks", "ends early"])
def test_a_byte_at_a_time_is_no_progress(fetched, requests_mock, ends):
    def answer(request, context):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        context.status_code, context.headers = 206, CSV
        piece = DATA[start : start + 1]
        return Breaking(piece) if ends == "breaks" else io.BytesIO(piece)

    requests_mock.get(FILE, body=answer)
    consumers = Consumers()
    with pytest.raises(errors.MarketoTransientError, match=r"the download (broke|ended early)"):
        fetched(consumers)
    assert len(ranges(requests_mock)) < 25
    assert [made.aborted for made in consumers.made] == [True]


@pytest.mark.parametrize("piece", [1 << 18, 300_000])
def test_pieces_of_a_large_file_are_progress_although_each_is_a_small_part_of_it(
    monkeypatch, fetched, requests_mock, piece
):
    monkeypatch.setattr("airflow_provider_marketo.client.bulk.fetch.STEPS", 2)
    content = DATA * 100

    def answer(request, context):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        context.status_code, context.headers = 206, CSV
        return Breaking(content[start : start + piece])

    requests_mock.get(FILE, body=answer)
    assert fetched(size=len(content), checksum=hashlib.sha256(content).hexdigest()) == content
    assert len(ranges(requests_mock)) > 5


def test_a_break_is_not_the_end_of_a_file_of_unknown_size(fetched, requests_mock):
    requests_mock.get(FILE, [{"body": Breaking(DATA[:100]), "headers": CSV}, part(100)])
    assert fetched(size=None, checksum=None) == DATA
    assert ranges(requests_mock) == [None, "bytes=100-"]


def test_a_break_before_the_first_byte_of_such_a_file_is_none_either(fetched, requests_mock):
    requests_mock.get(FILE, [{"body": Breaking(b""), "headers": CSV}, whole()])
    assert fetched(size=None, checksum=None) == DATA


def test_a_break_behind_the_last_byte_needs_no_further_call(fetched, requests_mock):
    requests_mock.get(FILE, body=Breaking(DATA), headers=CSV)
    assert fetched() == DATA
    assert ranges(requests_mock) == [None]


def test_a_download_that_makes_no_progress_is_given_up(fetched, requests_mock, clock):
    cut = {"content": b"", "status_code": 206, "headers": CSV | {"Content-Length": "900"}}
    requests_mock.get(FILE, [{"body": Breaking(DATA[:100]), "headers": CSV}, cut])
    consumers = Consumers()
    with pytest.raises(errors.MarketoTransientError, match="0 of 900 bytes"):
        fetched(consumers)
    assert [made.aborted for made in consumers.made] == [True]
    assert len(ranges(requests_mock)) == 1 + 5 * 6  # each time the client sends the call six times
    assert [pause for pause in clock.slept if pause.is_integer()] == [1, 2, 4, 8, 16]


def test_a_download_that_breaks_before_its_first_byte_is_begun_five_times(fetched, requests_mock, clock):
    requests_mock.get(FILE, [{"body": Breaking(b""), "headers": CSV} for _ in range(99)])
    with pytest.raises(errors.MarketoTransientError, match="the download broke"):
        fetched()
    assert ranges(requests_mock) == [None] * 5 * 6
    assert [pause for pause in clock.slept if pause.is_integer()] == [2, 4, 8, 16]


def test_a_wrong_checksum_is_downloaded_once_more(fetched, requests_mock):
    requests_mock.get(FILE, [whole(DATA[::-1]), whole()])
    consumers = Consumers()
    assert fetched(consumers) == DATA
    assert [made.aborted for made in consumers.made] == [True, False]


def test_a_wrong_checksum_twice_is_an_error(fetched, requests_mock):
    requests_mock.get(FILE, **whole(DATA[::-1]))
    consumers = Consumers()
    with pytest.raises(errors.MarketoDataError, match=r"job-1 .*SHA-256"):
        fetched(consumers)
    assert [made.aborted for made in consumers.made] == [True, True]


def test_a_file_of_another_size_is_an_error_that_says_so(fetched, requests_mock):
    requests_mock.get(FILE, **whole(DATA[:-1]))
    with pytest.raises(errors.MarketoDataError, match=f"{len(DATA) - 1} bytes arrived and {len(DATA)} were announced"):
        fetched(checksum=None)


@pytest.mark.parametrize("facts", [{}, {"checksum": None}], ids=["with a checksum", "with a size only"])
def test_a_file_that_never_ends_is_left_behind_what_was_announced(clock, facts):
    with HostileServer() as server:
        server.answer = server.drip(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n" + DATA, b"x" * (1 << 20))
        hostile = MarketoClient(server.url, "an-id", "a-secret", clock=clock, governor=LocalGovernor(clock=clock))
        job = ExportJob("job-1", COMPLETED, **{"size": len(DATA), "checksum": "0" * 64, "records": 1000} | facts)
        consumers = Consumers()
        with pytest.raises(errors.MarketoDataError, match=r"announced"):
            fetch(hostile, OPERATION, job, consumers, clock=clock)
    assert [each.aborted for each in consumers.made] == [True, True]
    assert all(len(each.data) < 3 << 20 for each in consumers.made)


def test_size_and_checksum_are_checked_only_if_marketo_gives_them(fetched, requests_mock):
    requests_mock.get(FILE, **whole(DATA[::-1]))
    assert fetched(size=None, checksum=None) == DATA[::-1]


def test_an_empty_file_is_a_file(fetched, requests_mock):
    requests_mock.get(FILE, **whole(b""))
    assert fetched(size=0, checksum=hashlib.sha256(b"").hexdigest()) == b""


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["plain", "packed"])
def test_an_answer_without_content_is_an_empty_file_whatever_its_headers_say(fetched, requests_mock, headers):
    requests_mock.get(FILE, status_code=204, headers=headers)
    assert fetched(size=None, checksum=None) == b""


def test_an_error_in_the_place_of_the_file_is_an_error_and_no_data(fetched, requests_mock):
    requests_mock.get(FILE, [failure("606"), whole()])
    assert fetched() == DATA
    requests_mock.get(FILE, **failure("603"))
    with pytest.raises(errors.MarketoPermissionError, match=r"Marketo code 603, request id a#1"):
        fetched()


def test_other_json_in_the_place_of_the_file_is_not_data_either(fetched, requests_mock):
    requests_mock.get(FILE, json={"success": True, "result": []})
    with pytest.raises(errors.MarketoDataError, match="JSON document"):
        fetched()


def test_the_rest_of_a_file_may_begin_with_what_looks_like_an_error(fetched, requests_mock):
    data = b'id,attributes\n1,"' + b'{""success"":false}"\n'
    place = data.index(b"{")
    headers = {"Content-Type": "application/json"}
    requests_mock.get(
        FILE,
        [
            {"body": Breaking(data[:place]), "headers": headers},
            {"content": data[place:], "status_code": 206, "headers": headers},
        ],
    )
    assert fetched(size=len(data), checksum=hashlib.sha256(data).hexdigest()) == data


def test_a_completed_job_may_be_a_little_ahead_of_its_file(fetched, requests_mock, clock):
    requests_mock.get(FILE, [{"status_code": 404, "text": "not found"}] * 3 + [whole()])
    assert fetched() == DATA
    assert clock.monotonic() >= 30


def test_a_file_that_never_comes_is_gone(fetched, requests_mock):
    requests_mock.get(FILE, status_code=404, text="not found")
    with pytest.raises(errors.MarketoFileGoneError, match=r"job-1 is Completed.*HTTP 404 from Marketo"):
        fetched()
    assert len(ranges(requests_mock)) == 6


def test_an_unreadable_file_is_an_error_if_it_is_the_one_that_was_announced(fetched, requests_mock):
    requests_mock.get(FILE, **whole())
    consumers = Consumers(errors.MarketoDataError("row 7 has too many cells"))
    with pytest.raises(errors.MarketoDataError, match="row 7 has too many cells"):
        fetched(consumers)
    assert len(consumers.made) == 1


def test_an_unreadable_file_is_downloaded_again_if_it_was_damaged(fetched, requests_mock):
    requests_mock.get(FILE, [whole(DATA[::-1]), whole()])
    assert fetched(Consumers(errors.MarketoDataError("row 7 has too many cells"))) == DATA
