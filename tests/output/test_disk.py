"""Files on a local disk."""

import os

import pytest

from airflow_provider_marketo.output.folder import OutputFolder

MB = 1 << 20


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system has no posix_fadvise")
def test_the_disk_begins_with_a_local_file_while_it_is_written(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, size, __: begun.append((start, start + size)))
    piece = os.urandom(3 * MB)
    with OutputFolder(str(tmp_path)).staging() as staging:
        for mode in ("wb", "ab"):
            with staging.open("rows.csv", mode) as file:
                for _ in range(7):
                    file.write(piece)
        with staging.open("rows.csv", "rb") as file:
            assert file.read() == piece * 14
    assert begun == [(0, 9 * MB), (9 * MB, 18 * MB), (21 * MB, 30 * MB), (30 * MB, 39 * MB)]
