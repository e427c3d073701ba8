"""Files, staged chunks and rejects in an object store: the same promises as on a disk."""

from __future__ import annotations

import json
import os
from uuid import uuid4

import pytest

from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from tests.operators.importing import DeadError, DyingStore, counts, fails, run_import

pytestmark = pytest.mark.services


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of its own on the S3 server of the tests: a client, and its name."""
    import boto3

    endpoint = os.environ["TEST_S3"]
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "an-id", "password": "a-secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    keys = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    name = f"import-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    return client, name


def test_a_glob_of_objects_is_staged_loaded_and_accounted_for(marketo, tmp_path, bucket):
    client, name = bucket
    for part in (1, 2):
        body = f"email,leadScore\ns3-{part}@example.com,{part}\nbad {part},1\n"
        client.put_object(Bucket=name, Key=f"in/part-{part}.csv", Body=body.encode())
    instance = marketo()
    url = f"s3://aws_default@{name}"
    how = {"object_type": "leads", "source": f"{url}/in/*.csv", "rejects_path": f"{url}/out"}
    store = DyingStore(4, written=True)
    with pytest.raises(DeadError):
        run_import(MarketoBulkImportOperator, tmp_path, store, **how)
    client.delete_object(Bucket=name, Key="in/part-2.csv")  # the next try does not need it
    _, account = fails(MarketoBulkImportOperator, tmp_path, store.survivor(), **how)
    assert counts(account) == {"accepted": 2, "rejected": 2}
    assert len(instance.instance.imports.all()) == 1
    names = [each["Key"] for each in client.list_objects_v2(Bucket=name)["Contents"]]
    (table,) = (key for key in names if key.startswith("out/"))
    rows = map(json.loads, client.get_object(Bucket=name, Key=table)["Body"].read().splitlines())
    assert [(row["email"], row["_marketo_file"].rpartition("/")[2], row["_marketo_row"]) for row in rows] == [
        ("bad 1", "part-1.csv", 2),
        ("bad 2", "part-2.csv", 2),
    ]
