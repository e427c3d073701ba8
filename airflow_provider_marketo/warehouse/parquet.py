"""The rows of a load as Parquet files, for databases that read files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_provider_marketo.warehouse.rows import DatasetRows

_BYTES_OF_A_FILE = 200 << 20
"""
Bytes that rows may take in memory before a new file begins.

Several files are faster than one, because a warehouse reads them in parallel.
"""


def parquet_files(folder: Path, rows: DatasetRows, schema: pa.Schema, columns: Sequence[str]) -> Iterator[Path]:
    """
    Write rows to files, and yield each file once it is complete.

    A file is removed when the caller asks for the next one.

    :param folder: where the files are written.
    :param rows: the rows.
    :param schema: the schema of the batches.
    :param columns: names of the columns in the files, in the order of the schema.
    """
    renamed = pa.schema([field.with_name(column) for field, column in zip(schema, columns, strict=True)])
    writer, path, size = None, folder, 0
    for number, batch in enumerate(rows.batches()):
        if writer is None:
            path = folder / f"rows_{number}.parquet"
            writer, size = ParquetWriter(path, renamed), 0
        writer.write_batch(batch.rename_columns(list(columns)))
        size += batch.nbytes
        if size > _BYTES_OF_A_FILE:
            writer.close()
            writer = None
            yield path
            path.unlink()
    if writer is not None:
        writer.close()
        yield path
        path.unlink()
