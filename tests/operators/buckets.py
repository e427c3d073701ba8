"""
Buckets of object stores, read with other libraries than those with which Airflow writes.

S3's server always runs with ``--services``. The emulators of the other stores, and Airflow's providers for them, are
installed by hand: if one is missing, its tests are skipped, with the reason.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests

from tools.services import ServiceMissingError, azure_storage, google_storage

PREFIX = "lake/"

Emulator = Callable[[Path], AbstractContextManager[str]]
Started = Callable[[Emulator], str]
"""Starts an emulator if it does not run yet, and returns its address."""


class Bucket:
    """
    A bucket for one test, with a folder ``lake``.

    :param url: URL of the folder.
    :param nowhere: URL of a folder in a bucket that does not exist.
    """

    def __init__(self, url: str, nowhere: str) -> None:
        self.url = f"{url}/lake"
        self.nowhere = f"{nowhere}/lake"

    def keys(self) -> list[str]:
        """Return all keys."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """Return the content of a file in the folder."""
        raise NotImplementedError

    def put(self, name: str, content: bytes) -> None:
        """Store a file in the folder."""
        raise NotImplementedError

    def uploads(self) -> list[Any]:
        """Return the uploads that were begun and not ended."""
        return []

    def names(self) -> list[str]:
        """Return the names in the folder."""
        return sorted(key.removeprefix(PREFIX) for key in self.keys())

    def data(self) -> list[str]:
        """Return the names that readers of the data see."""
        return [key for key in self.names() if not key.startswith("_")]

    def rows(self) -> list[bytes]:
        """Return the rows of all csv files."""
        return [line for key in self.data() for line in self.read(key).split(b"\n")[1:] if line]


class S3Bucket(Bucket):
    """A bucket of moto's server, seen by boto3."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
        import boto3

        endpoint = os.environ["TEST_S3"]
        extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": "an-id", "password": "a-secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        keys = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self.name = f"b-{uuid4().hex}"
        self.client.create_bucket(Bucket=self.name)
        super().__init__(f"s3://aws_default@{self.name}", "s3://aws_default@nowhere")

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def read(self, name: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=PREFIX + name)["Body"].read())

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=PREFIX + name, Body=content)

    def uploads(self) -> list[Any]:
        return list(self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", []))


class GoogleBucket(Bucket):
    """A bucket of fake-gcs-server, seen by its JSON API."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
        _needs("airflow.providers.google", "airflow-provider-marketo[gcs]")
        self.address = started(google_storage)
        extra = {"is_anonymous": True, "project": "a-project", "gcs.endpoint": self.address}
        connection = {"conn_type": "google_cloud_platform", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", json.dumps(connection))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", self.address)
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it would ask Google for kinds of buckets
        self.name = f"b-{uuid4().hex}"
        self._asked("POST", "storage/v1/b?project=a-project", json={"name": self.name})
        super().__init__(f"gs://google@{self.name}", "gs://google@nowhere")

    def keys(self) -> list[str]:
        listed = self._asked("GET", f"storage/v1/b/{self.name}/o").json()
        return [each["name"] for each in listed.get("items", [])]

    def read(self, name: str) -> bytes:
        return self._asked("GET", f"storage/v1/b/{self.name}/o/{quote(PREFIX + name, safe='')}?alt=media").content

    def put(self, name: str, content: bytes) -> None:
        where = f"upload/storage/v1/b/{self.name}/o?uploadType=media&name={quote(PREFIX + name, safe='')}"
        self._asked("POST", where, data=content)

    def _asked(self, method: str, path: str, **content: Any) -> requests.Response:
        answer = requests.request(method, f"{self.address}/{path}", timeout=30, **content)
        answer.raise_for_status()
        return answer


class AzureBucket(Bucket):
    """A container of Azurite, seen by Azure's own client."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
        _needs("airflow.providers.microsoft.azure", "airflow-provider-marketo[azure]")
        blobs: Any = importlib.import_module("azure.storage.blob")
        text = started(azure_storage)
        connection = {"conn_type": "wasb", "extra": {"connection_string": text}}
        monkeypatch.setenv("AIRFLOW_CONN_AZURE", json.dumps(connection))
        name = f"b-{uuid4().hex}"
        self.client = blobs.BlobServiceClient.from_connection_string(text).create_container(name)
        super().__init__(f"abfs://azure@{name}", "abfs://azure@nowhere")

    def keys(self) -> list[str]:
        return list(self.client.list_blob_names())

    def read(self, name: str) -> bytes:
        return bytes(self.client.download_blob(PREFIX + name).readall())

    def put(self, name: str, content: bytes) -> None:
        self.client.upload_blob(PREFIX + name, content, overwrite=True)


BUCKETS = {"s3": S3Bucket, "gs": GoogleBucket, "abfs": AzureBucket}


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Return a function that starts an emulator once: Airflow keeps the client of a connection, and so its address."""
    addresses: dict[Any, str] = {}
    with ExitStack() as stack:

        def start(emulator: Emulator) -> str:
            if emulator not in addresses:
                addresses[emulator] = stack.enter_context(emulator(tmp_path_factory.mktemp("store")))
            return addresses[emulator]

        yield start


@pytest.fixture(params=list(BUCKETS))
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, started: Started) -> Bucket:
    """A bucket of each store. A store whose emulator is not installed is skipped."""
    try:
        return BUCKETS[request.param](monkeypatch, started)
    except ServiceMissingError as error:
        pytest.skip(str(error))


def _needs(module: str, package: str) -> None:
    try:
        is_there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        raise ServiceMissingError(f"Airflow's provider of this store is not installed: pip install '{package}'")
