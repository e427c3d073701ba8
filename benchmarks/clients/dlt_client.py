"""Count the seconds that `dlt` takes to merge Parquet files into a table; runs where it is installed."""

import json
import sys
import tempfile
import time

import dlt
import pyarrow.parquet


def batches(path):
    """Yield Arrow tables, which dlt passes on without reading their rows."""
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(65_536):
            yield pyarrow.Table.from_batches([batch])


destination, credentials, *paths = sys.argv[1:]
seconds = []
with tempfile.TemporaryDirectory() as folder:
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=folder,
        destination=getattr(dlt.destinations, destination)(credentials),
        dataset_name="dlt",
    )
    for path in paths:
        started = time.perf_counter()
        rows = dlt.resource(
            batches(path),
            name="leads",
            primary_key="id",
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )
        pipeline.run(rows, loader_file_format="parquet")
        seconds.append(time.perf_counter() - started)
print(json.dumps(seconds))
