"""Calls the simulator with plain ``requests``, without the provider's client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests

from airflow_provider_marketo.simulator import Simulator

JANUARY = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-31T23:59:59Z"}


class Api:
    """
    A caller of a running simulator.

    :param simulator: the simulator.
    :param user: index of the API user.
    """

    def __init__(self, simulator: Simulator, user: int = 0) -> None:
        self.simulator = simulator
        self.url = simulator.url
        self.user = simulator.settings.users[user]
        self.session = requests.Session()
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Let simulated time pass, and get a token that is valid afterwards."""
        self.simulator.clock.sleep(seconds)
        self.session.headers["Authorization"] = f"Bearer {self.token()['access_token']}"

    def token(self, **changes: str) -> dict[str, Any]:
        query = {
            "grant_type": "client_credentials",
            "client_id": self.user.client_id,
            "client_secret": self.user.client_secret,
            **changes,
        }
        return dict(requests.post(f"{self.url}/identity/oauth/token", params=query, timeout=10).json())

    def send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=30, **arguments)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return dict(self.send("GET", path, params=query).json())

    def post(self, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        return dict(self.send("POST", path, json=body, params=query).json())

    def result(self, path: str, **query: Any) -> Any:
        """Return the result of a query that succeeds."""
        return _result(self.get(path, **query))

    def done(self, path: str, body: Any = None, **query: Any) -> Any:
        """Return the result of a write that succeeds."""
        return _result(self.post(path, body, **query))

    def sync(self, *records: dict[str, Any], **how: Any) -> Any:
        return self.done("/rest/v1/leads.json", {**how, "input": list(records)})

    def feed(self, path: str, since: str, **query: Any) -> list[dict[str, Any]]:
        """Return the records of a feed, from a time up to the end of the feed."""
        token = self.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=since)["nextPageToken"]
        found: list[dict[str, Any]] = []
        while True:
            reply = self.get(path, nextPageToken=token, **query)
            assert reply["success"], reply
            found += reply.get("result", [])
            token = reply["nextPageToken"]
            if not reply["moreResult"]:
                return found

    def pages(self, path: str, **query: Any) -> list[Any]:
        """Return all pages of a query that is paged by position."""
        found: list[Any] = []
        while True:
            reply = self.get(path, **query)
            found += _result(reply)
            if "nextPageToken" not in reply:
                return found
            query["nextPageToken"] = reply["nextPageToken"]


class Export:
    """
    Bulk export jobs of one kind.

    :param kind: kind as in the path, such as ``program/members`` or ``customobjects/car_c``.
    """

    def __init__(self, api: Api, kind: str) -> None:
        self.api = api
        self.path = f"/bulk/v1/{kind}/export"

    def create(self, fields: Sequence[str], job_filter: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.api.post(f"{self.path}/create.json", {"fields": fields, "filter": job_filter, **more})

    def created(self, fields: Sequence[str], job_filter: dict[str, Any], **more: Any) -> str:
        return str(_result(self.create(fields, job_filter, **more))[0]["exportId"])

    def enqueue(self, export_id: str) -> dict[str, Any]:
        return self.api.post(f"{self.path}/{export_id}/enqueue.json")

    def cancel(self, export_id: str) -> dict[str, Any]:
        return self.api.post(f"{self.path}/{export_id}/cancel.json")

    def status(self, export_id: str) -> dict[str, Any]:
        return dict(_result(self.api.get(f"{self.path}/{export_id}/status.json"))[0])

    def list(self, **query: Any) -> list[dict[str, Any]]:
        return self.api.pages(f"{self.path}.json", **query)

    def file(self, export_id: str, **headers: str) -> requests.Response:
        return self.api.send("GET", f"{self.path}/{export_id}/file.json", headers=headers)

    def open(self, export_id: str) -> requests.Response:
        """Ask for a file whose bytes the test reads as they come."""
        return self.api.send("GET", f"{self.path}/{export_id}/file.json", stream=True)

    def run(self, fields: Sequence[str], job_filter: dict[str, Any], **more: Any) -> str:
        """Run a job to its end and return its id."""
        export_id = self.created(fields, job_filter, **more)
        assert self.enqueue(export_id)["success"]
        self.api.wait(120)
        assert self.status(export_id)["status"] == "Completed"
        return export_id

    def content(self, fields: Sequence[str], job_filter: dict[str, Any], **more: Any) -> bytes:
        """Run a job to its end and return its file."""
        return self.file(self.run(fields, job_filter, **more)).content


def codes(reply: dict[str, Any]) -> list[str]:
    """Return the error codes of a call that failed as a whole."""
    assert reply["success"] is False
    assert "result" not in reply
    return [error["code"] for error in reply["errors"]]


def skipped(result: list[dict[str, Any]]) -> list[str | None]:
    """Return the code of each skipped record, and None for each other record."""
    return [record["reasons"][0]["code"] if record["status"] == "skipped" else None for record in result]


def _result(reply: dict[str, Any]) -> Any:
    assert reply["success"], reply
    return reply["result"]
