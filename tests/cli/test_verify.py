"""``airflow marketo verify``: against the simulator, and against a server that differs from it on purpose."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from airflow_provider_marketo.__main__ import main
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoBudgetError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.diagnosis import raw
from airflow_provider_marketo.diagnosis.behaviour_steps import _HEADER
from airflow_provider_marketo.diagnosis.raw import MOST_CALLS, RawInstance
from airflow_provider_marketo.diagnosis.verify import steps
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.simulator import Settings, Simulator


@pytest.fixture(scope="module")
def instance() -> Iterator[Simulator]:
    """An instance whose jobs end at once, with about two hundred activities a day."""
    settings = Settings(
        leads=100, activities=20_000, limits=False, status_refresh=0.01, job_seconds=0.01, job_seconds_per_mb=0.01
    )
    with Simulator(settings) as simulator:
        yield simulator


@pytest.fixture
def verify(airflow, connect, monkeypatch, tmp_path, capsys):
    """Return a function that runs the command and returns its exit code, its output and the report."""
    monkeypatch.setattr(raw, "_PAUSE", 0.0)
    report = tmp_path / "report.md"

    def run(url: str, instance: Simulator) -> tuple[int, str, str]:
        extra = {"poll_interval": 0.3}
        connect("sandbox", url, login=instance.client_id, password=instance.client_secret, **extra)
        code: Any = 0
        capsys.readouterr()
        try:
            main(["verify", "--conn-id", "sandbox", "--yes", "--report", str(report)])
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int), code
        return code, capsys.readouterr().out, report.read_text()

    return run


@contextmanager
def proxy(target: str, change: Callable[[str, int, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]):
    """Run a server that forwards the replies of another one after ``change``, which gets the path and the reply."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and content go in two pieces

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sent = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            reply = requests.request(self.command, target + self.path, headers=sent, data=body, timeout=10)
            kept = {
                name: reply.headers[name] for name in ("Content-Type", "Date", "Content-Range") if name in reply.headers
            }
            status, headers, content = change(self.path, reply.status_code, kept, reply.content)
            self.send_response_only(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = serve

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def differences(report: str) -> dict[str, str]:
    """Return what the report shows as different: their subjects and what was seen."""
    rows = [line.strip("|").split(" | ") for line in report.splitlines() if line.startswith("| differs")]
    return {row[1]: row[3].strip() for row in rows}


def test_the_simulator_is_what_the_package_expects(verify, instance):
    before = Counter(instance.report().calls)
    code, _, report = verify(instance.url, instance)
    assert differences(report) == {}
    assert code == 0
    assert "not seen" not in report.split("\n\n", 2)[2]
    made = Counter(instance.report().calls) - before
    assert made.total() <= MOST_CALLS
    known = set(made) - {"?"}  # the address that does not exist
    assert {name for name in known if operations.get(name).method != "GET"} == {
        "identity.post_token",
        "bulk_export_activities.create_job",
        "bulk_export_activities.enqueue_job",
        "bulk_export_leads.create_job",
        "bulk_export_leads.cancel_job",
    }


def test_the_plan_is_printed_and_fits_into_forty_calls(verify, instance):
    _, said, _ = verify(instance.url, instance)
    assert "Changes nothing" in said
    assert f"{sum(step.calls for step in steps())} calls at most" in said
    assert "   1 call  read the day's usage" in said
    assert sum(step.calls for step in steps()) <= MOST_CALLS


def test_nothing_is_called_before_a_person_agrees(airflow, connect, instance, monkeypatch):
    connect("sandbox", instance.url, login=instance.client_id, password=instance.client_secret)
    before = instance.report().calls
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(SystemExit, match="nothing was called"):
        airflow("verify", "--conn-id", "sandbox")

    def closed(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    with pytest.raises(SystemExit, match="give --yes"):
        airflow("verify", "--conn-id", "sandbox")
    assert instance.report().calls == before


def test_the_report_holds_no_personal_data_and_no_name_of_the_instance(verify, instance):
    _, said, report = verify(instance.url, instance)
    user = instance.settings.users[0]
    values = (user.user_id, user.client_id, user.client_secret, instance.url.partition("://")[2], "@", "sandbox")
    assert [value for value in values if value in report] == []
    assert [value for value in values[:3] if value in said] == []


CHANGES: list[tuple[str, str, Callable[[Any], Any], str]] = [
    # The path, the subject of the difference, what is changed in the JSON of the reply, and what the report says.
    ("/identity/", "token_type", lambda body: body | {"token_type": "mac"}, "mac"),
    ("/identity/", "lifetime of a token", lambda body: body | {"expires_in": 7200}, "7200 seconds"),
    ("/identity/", "identity.post_token: members", lambda body: body | {"region": "eu"}, "also has region"),
    ("leads/describe.json", "leads.describe: members of the envelope", lambda body: body | {"page": 1}, "page"),
    (
        "leads/describe.json", "leads.describe: data types",
        lambda body: body | {"result": [body["result"][0] | {"dataType": "vector"}]}, "also vector",
    ),
    (
        "leads/describe2.json", "leads.describe2: members",
        lambda body: body | {"result": [{"name": "API Lead", "fields": []}]}, "lacks createdAt",
    ),
    (
        "members/describe.json", "fields of program_members.describe: members",
        lambda body: body | {"result": [body["result"][0] | {"fields": [{"name": 1}]}]}, "name is integer, not string",
    ),
    ("activities/types.json", "activities.get_types: members",
        lambda body: body | {"result": [{"id": "1"}]}, "lacks name"),
    ("campaigns.json", "campaigns.get: members", lambda body: body | {"result": [{"id": 1}]}, "lacks active"),
    ("lists.json", "lists.get: members of the envelope", lambda body: body | {"more": 1}, "more"),
    ("programs.json", "programs.get: members of the envelope", lambda body: {"success": True}, "success"),
    (
        "/nowhere.json", "code of an address that does not exist",
        lambda body: body | {"errors": [{"code": 611, "message": "System error"}]}, "611",
    ),
    (
        "/nowhere.json", "errors of an address that does not exist: members",
        lambda body: body | {"errors": [{"code": 610, "message": "Not found"}]}, "code is integer, not string",
    ),
    ("usage.json", "the quota day is the date in Chicago",
        lambda body: body | {"result": [body["result"][0] | {"date": "2001-01-01"}]}, "2001-01-01"),
    ("usage.json", "calls counted between two polls",
        lambda body: body | {"result": [body["result"][0] | {"total": 7}]}, "0 more"),
    ("usage/last7days.json", "days in a week's usage", lambda body: body | {"result": body["result"][:6]}, "6"),
    ("usage/last7days.json", "order of a week's usage",
        lambda body: body | {"result": body["result"][::-1]}, "not newest first"),
    ("activities.json", "page of a feed: members of the envelope", lambda body: body | {"total": 9}, "total"),
    ("activities.json", "dates of activities in a feed",
        lambda body: body | {"result": [row | {"activityDate": row["activityDate"].replace("Z", "+0000")}
        for row in body.get("result", ())]}, "9999-99-99T99:99:99+9999"),
    ("leads/export/create.json", "leads by updatedAt",
        lambda body: {"success": False, "errors": [{"code": "1003", "message": "no"}]}, "error 1003"),
    ("activities/export/create.json", "status of a created job",
        lambda body: body | {"result": [body["result"][0] | {"status": "New"}]}, "New"),
    ("/status.json", "checksum of a file",
        lambda body: body | {"result": [body["result"][0] | {"fileChecksum": "md5:0"}]}, "not sha256 of its bytes"),
    ("/status.json", "size of a file",
        lambda body: body | {"result": [body["result"][0] | {"fileSize": 1}]}, "not fileSize"),
    ("/status.json", "rows of a file",
        lambda body: body | {"result": [body["result"][0] | {"numberOfRecords": 0}]}, "not numberOfRecords"),
]  # fmt: skip


def _rounds() -> list[list[int]]:
    """Distribute the changes over as few runs as possible: changes that would hide each other are in different runs."""
    rounds: list[list[int]] = []
    for number, (path, *_) in enumerate(CHANGES):
        free = next((each for each in rounds if path not in {CHANGES[other][0] for other in each}), None)
        (free.append(number) if free is not None else rounds.append([number]))
    return rounds


@pytest.mark.parametrize("numbers", _rounds(), ids=str)
def test_each_difference_in_a_reply_is_reported(verify, instance, numbers):
    def change(path: str, status: int, headers: dict[str, str], content: bytes):
        for number in numbers:
            place, _, changed, _ = CHANGES[number]
            is_meant = place in path and (place == "/nowhere.json" or b'"errors":[{' not in content)
            if is_meant and content.startswith(b"{"):
                content = json.dumps(changed(json.loads(content))).encode()
        return status, headers, content

    with proxy(instance.url, change) as url:
        code, said, report = verify(url, instance)
    found = differences(report)
    for number in numbers:
        _, subject, _, seen = CHANGES[number]
        assert seen in found.get(subject, f"no difference in {subject}")
        assert f"differs: {subject}" in said
    assert code == 1


def file_change(header: Callable[[bytes], bytes], body: Callable[[bytes], bytes]):
    def change(path: str, status: int, headers: dict[str, str], content: bytes):
        if path.endswith("/file.json"):
            first, newline, rest = content.partition(b"\n")
            content = header(first) + newline + body(rest)
        return status, headers, content

    return change


def same(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize(
    ("change", "subjects"),
    [
        (file_change(bytes.lower, same), ["header of a file", "checksum of a file"]),
        (file_change(same, lambda rest: rest.replace(b",null", b",")), ["spelling of null"]),
        (file_change(same, lambda rest: rest.replace(b"Z,", b"+00:00,")), ["dates in a file"]),
        (file_change(same, lambda rest: b"\n".join(rest.splitlines()[1:-1]) + b"\n"),
         ["start of a window, by the second", "end of a window, by the second", "rows of a file"]),
        (
            lambda path, status, headers, content: (200 if status == 206 else status, headers, content),
            ["a part of a file (Range)"],
        ),
        (
            lambda path, status, headers, content: (
                401 if b'"601"' in content else status,
                {"Content-Type": "text/json"},
                content,
            ),
            ["HTTP status of a token that does not exist", "type of JSON replies", "HTTP header Date"],
        ),
    ],
    ids=["header", "null", "dates", "ends", "range", "protocol"],
)  # fmt: skip
def test_each_difference_in_a_file_or_in_the_protocol_is_reported(verify, instance, change, subjects):
    with proxy(instance.url, change) as url:
        code, _, report = verify(url, instance)
    assert [subject for subject in subjects if subject not in differences(report)] == []
    assert code == 1


@pytest.mark.parametrize("attributes_style", ["list"])
def test_another_form_of_attributes_is_reported(verify, attributes_style):
    settings = Settings(
        leads=100, activities=20_000, status_refresh=0.01, job_seconds=0.01, attributes_style=attributes_style,
        updated_at_filter=False,
    )  # fmt: skip
    with Simulator(settings) as instance:
        _, _, report = verify(instance.url, instance)
    assert differences(report) == {"attributes of an activity in a file": "a JSON array"}, "1035 is expected"


PERSON = "Jane Doe <jane@example.com> \x1b[31m|<img src=x>\n+1 555 0100"
KEPT = {"access_token", "nextPageToken", "exportId"}


def everywhere(change: Callable[[str, Any], tuple[str, Any]], value: Any) -> Any:
    """Return JSON in which each member and its value is changed, except what the next call needs."""
    if isinstance(value, dict):
        changed = (change(name, each) if name not in KEPT else (name, each) for name, each in value.items())
        return {name: everywhere(change, each) for name, each in changed}
    return [everywhere(change, each) for each in value] if isinstance(value, list) else value


LIES: dict[str, Callable[[str, Any], tuple[str, Any]]] = {
    "texts": lambda name, value: (name, PERSON if isinstance(value, str) else value),
    "numbers": lambda name, value: (name, 15550100222 if type(value) is int else value),
    "names": lambda name, value: (name if name in ("result", "success", "status") else f"{PERSON}{name}", value),
    "lists": lambda name, value: (name, PERSON if isinstance(value, list) else value),
    "records": lambda name, value: (name, [PERSON, [PERSON], 15550100222] if name == "result" else value),
    "errors": lambda name, value: (name, {PERSON: PERSON} if name == "errors" else value),
    "dates": lambda name, value: (name, PERSON if name.lower().endswith("date") else value),
    "objects": lambda name, value: (name, {PERSON: [PERSON]} if not isinstance(value, (list, dict)) else value),
}


@pytest.mark.parametrize("lie", LIES)
def test_whatever_answers_puts_no_value_of_a_record_into_the_report(verify, instance, lie):
    def change(path: str, status: int, headers: dict[str, str], content: bytes):
        if path.endswith("/file.json"):
            return status, headers, content.replace(b"\n", f',"{PERSON}"\n{PERSON},'.encode())
        try:
            return status, headers, json.dumps(everywhere(LIES[lie], json.loads(content))).encode()
        except ValueError:
            return status, headers, content

    with proxy(instance.url, change) as url:
        code, said, report = verify(url, instance)
    assert code == 1
    assert [part for part in ("Jane", "jane@", "\x1b", "<img", "555 0100", "5550100") if part in report + said] == []


def test_a_header_that_is_a_row_is_not_shown(verify, instance):
    def change(path: str, status: int, headers: dict[str, str], content: bytes):
        return status, headers, content.partition(b"\n")[2] if path.endswith("/file.json") else content

    with proxy(instance.url, change) as url:
        _, _, report = verify(url, instance)
    assert differences(report)["header of a file"] == f"8 columns; lacks {', '.join(_HEADER)}"


def test_the_id_of_a_job_leads_nowhere_else(verify, instance):
    paths = []

    def change(path: str, status: int, headers: dict[str, str], content: bytes):
        paths.append(path)
        if path.endswith("/create.json"):
            content = json.dumps(everywhere(odd_id, json.loads(content))).encode()
        return status, headers, content

    def odd_id(name: str, value: Any) -> tuple[str, Any]:
        away = "../../../../rest/v1/leads/delete.json?x="
        return name, [{**value[0], "exportId": away}] if name == "result" else value

    with proxy(instance.url, change) as url:
        verify(url, instance)
    assert [path for path in paths if path.startswith("/rest/v1/leads/delete")] == []


def test_a_reply_that_unpacks_to_gigabytes_is_a_difference(verify, instance, monkeypatch):
    monkeypatch.setattr(raw, "_LARGEST", 1 << 20)
    bomb = gzip.compress(bytes(8 << 20))

    def change(path: str, status: int, headers: dict[str, str], content: bytes):
        return (200, {"Content-Encoding": "gzip"}, bomb) if "describe2" in path else (status, headers, content)

    with proxy(instance.url, change) as url:
        _, _, report = verify(url, instance)
    assert differences(report)["step: describe leads"] == "MarketoTransientError"


def test_a_refused_login_ends_the_command_with_one_line(airflow, connect, instance):
    connect("sandbox", instance.url, login=instance.client_id, password="wrong")
    with pytest.raises(SystemExit, match=r"airflow marketo verify: .*identity service gave no token"):
        airflow("verify", "--conn-id", "sandbox", "--yes")


def test_the_forty_first_call_is_not_made(instance, monkeypatch):
    monkeypatch.setattr(raw, "_PAUSE", 0.0)
    calls = RawInstance(ConnectionSettings("sandbox", instance.url, instance.client_id, raw_secret(instance)))
    calls.fetch_token()
    for _ in range(MOST_CALLS - 1):
        calls.get("/rest/v1/stats/usage.json")
    with pytest.raises(MarketoBudgetError, match="at most 40 calls"):
        calls.get("/rest/v1/stats/usage.json")


def test_verify_posts_nothing_but_exports(instance):
    calls = RawInstance(ConnectionSettings("sandbox", instance.url, instance.client_id, raw_secret(instance)))
    with pytest.raises(ValueError, match="is not a bulk export"):
        calls.post("/rest/v1/leads.json", {"input": []})
    assert calls.calls == 0


def raw_secret(instance: Simulator) -> Any:
    return Secret(instance.client_secret)
