"""
Files that appear whole or not at all, on any file system that Airflow knows.

A file is written to local disk first: next to its final place where that is local, in a temporary directory where it
is an object store. Only when everything about it has been verified does it get its final name, by a rename or by one
upload. A writer that is left through an exception would otherwise publish what it has so far on S3, and not every store
can take an upload back. Marketo's daily export volume bounds what the disk must hold.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

_LOCAL = "file"
_STAGING = "_marketo/staging"
_PRIVATE = "_marketo/runs/"
"""What tasks keep between two tries: rows that wait to be sent, keys of rows. Nobody else reads it."""

_PRIVATE_DEPTH = 4
"""Folders above those of a task's run, which other users may have to share: ``_marketo/runs/<dag>/<task>``."""


class OutputFolder:
    """
    The place an author names with ``output_path=``.

    :param url: of a folder: a local path, ``file://``, ``s3://connection@bucket/prefix``, ``gs://``, ``abfs://``.
    :param parameter: the operator's name for it, for errors.
    :param scratch: where in the folder unfinished files lie. The place of a task instance is found by its next try,
        which clears it: see :meth:`clear_scratch`.
    :raises MarketoInvalidRequestError: no file system is registered for the URL.
    """

    def __init__(
        self, url: str | ObjectStoragePath, *, parameter: str = "output_path", scratch: str = _STAGING
    ) -> None:
        self.url = str(url).rstrip("/")
        self._scratch = scratch
        self._parameter = parameter
        try:
            self._root = ObjectStoragePath(self.url)
            self._filesystem = self._root.fs
        except (ValueError, ImportError, OSError) as error:
            raise self._refused(error) from error
        self._is_local = self._root.protocol in (_LOCAL, "")

    def path(self, name: str) -> ObjectStoragePath:
        """
        Where a file of this folder lies.

        :param name: relative to the folder; empty for the folder itself.
        :raises MarketoInvalidRequestError: the name leads out of the folder. Names come from users, from Marketo and
            from files in the folder.
        """
        return self._root / contained(name) if name else self._root

    def check_writable(self) -> None:
        """
        Write and delete a small file, so that a wrong bucket is found before Marketo is asked for anything.

        :raises MarketoInvalidRequestError: the folder cannot be written to.
        """
        probe = f"{self._scratch}/.write-check-{uuid.uuid4().hex}"
        try:
            self.write(probe, b"")
            self.delete(probe)
        except Exception as error:
            raise self._refused(error) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a small file in one step."""
        with self.staging() as staging:
            with staging.open(name) as file:
                file.write(data)
            staging.publish([name])

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None if there is none."""
        path = self.path(contained(name))
        try:
            return bytes(path.read_bytes())
        except FileNotFoundError:
            return None
        except (PermissionError, NotADirectoryError) as error:
            raise self._refused(error, "read") from error

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON document in one step."""
        self.write(name, json.dumps(value, indent=1, sort_keys=True).encode())

    def read_json(self, name: str) -> Any:
        """A JSON document, or None if there is none."""
        data = self.read(name)
        return None if data is None else json.loads(data)

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is fine."""
        with suppress(FileNotFoundError):
            self.path(contained(name)).unlink()

    def delete_tree(self, name: str) -> None:
        """Delete a folder and what is in it; one that is not there is fine."""
        path = self.path(contained(name))
        if path.exists():
            self._filesystem.rm(path.path, recursive=True)

    def staging(self, place: str | None = None) -> Staging:
        """
        A place for files that are not to be seen yet.

        :param place: where they are kept in the meantime, if that is in this folder. Default: the folder's scratch.
        """
        return Staging(self, (place or self._scratch) if self._is_local else None)

    def clear_scratch(self) -> None:
        """Delete unfinished files that a killed process has left. Only the owner of the scratch calls this."""
        with suppress(OSError):
            self.delete_tree(self._scratch)

    def _put(self, local: Path, name: str) -> None:
        target = self.path(name)
        if self._is_local:
            final = Path(target.path)
            if name.startswith(_PRIVATE):
                _make_private(final.parent, levels=name.count("/") - _PRIVATE_DEPTH)
                local.chmod(0o600)
            else:
                final.parent.mkdir(parents=True, exist_ok=True)
            os.replace(local, final)
        else:
            self._filesystem.put_file(str(local), target.path)

    def _refused(self, error: BaseException, use: str = "write to") -> MarketoInvalidRequestError:
        return MarketoInvalidRequestError(
            f"cannot {use} {self._parameter}={self.url} ({type(error).__name__}: {error})",
            parameter=self._parameter,
            remedy="Check the path, the connection in it and that connection's rights; remote folders need the"
            " provider of their file system, such as airflow-provider-marketo[s3].",
        )


def _make_private(folder: Path, levels: int) -> None:
    """Make a folder; the innermost levels, if they are new, are for this user only."""
    if levels > 0 and not folder.exists():
        _make_private(folder.parent, levels - 1)
        folder.mkdir(mode=0o700, exist_ok=True)
    else:
        folder.mkdir(parents=True, exist_ok=True)


def contained(name: str) -> str:
    """
    Return the name of a file of a folder.

    :param name: relative to the folder, with slashes.
    :raises MarketoInvalidRequestError: it is empty, or it may lead out of the folder.
    """
    parts = str(name).replace("\\", "/").split("/")
    if not parts[0] or "\0" in name or "://" in name or not {".", ".."}.isdisjoint(parts):
        raise MarketoInvalidRequestError(
            f"{name!r} is not the name of a file in the output folder",
            parameter="output_path",
            remedy="Names have no empty first part, and no part that is . or .. .",
        )
    return name


class Staging:
    """
    Files on their way into an output folder. Leaving the ``with`` block removes whatever was not published.

    :param folder: where they go.
    :param place: where in the folder itself, so that publishing is a rename on one file system; None for a temporary
        directory of this host.
    """

    def __init__(self, folder: OutputFolder, place: str | None) -> None:
        self._folder = folder
        if place is not None:
            parent = Path(folder.path(place).path)
            parent.mkdir(parents=True, exist_ok=True)
            self._directory = Path(tempfile.mkdtemp(dir=parent))
        else:
            self._directory = Path(tempfile.mkdtemp(prefix="marketo-"))

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def open(self, name: str, mode: str = "wb") -> BinaryIO:
        """A file of this name, to be closed by the caller. ``wb`` makes it, ``ab`` goes on at its end, ``rb`` reads."""
        path = self._directory / contained(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return cast("BinaryIO", path.open(mode))

    def publish(self, names: list[str]) -> None:
        """Give files their final names, in this order; each appears whole."""
        for name in names:
            self._folder._put(self._directory / name, name)
