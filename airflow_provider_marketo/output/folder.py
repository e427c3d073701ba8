"""
Files that appear whole or not at all, on any file system that Airflow knows.

A file is written to local disk first: in the folder itself if that is local, in a temporary directory if it is an
object store. Once the file is verified, a rename or one upload gives it its final name. Writing to S3 directly would
publish an incomplete file after an exception, and not every store can take an upload back. Marketo's daily export
volume limits what the disk must hold.

Every name is a literal key: ``[``, ``?`` and ``*`` in a folder's name are ordinary characters.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import cached_property
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.errors import (
    MarketoError,
    MarketoInvalidRequestError,
    MarketoPackageMissingError,
    MarketoStorageError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.abandoned import remove_abandoned, temporary_folder
from airflow_provider_marketo.output.disk import EarlyFile, make_folders, sync
from airflow_provider_marketo.output.names import contained, outside, refuse_other_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.client.serializable import Serializable
    from airflow_provider_marketo.client.stored import State

log = printable_logger(__name__)

_LOCAL = "file"
_PACKAGES = {
    "s3": "airflow-provider-marketo[s3]",
    "s3a": "airflow-provider-marketo[s3]",
    "gs": "airflow-provider-marketo[gcs]",
    "gcs": "airflow-provider-marketo[gcs]",
    "abfs": "airflow-provider-marketo[azure]",
    "abfss": "airflow-provider-marketo[azure]",
    "adl": "airflow-provider-marketo[azure]",
}
"""The package that a worker needs for each kind of remote folder."""

_RESTORE = "Restore the file, or delete it and clear the task."

_PRIVATE = f"/{layout.RUNS}/"
"""The folder for what tasks keep between two tries: rows to send, keys of rows. Only these tasks read it."""

_SHARED_DEPTH = 2
"""Levels above the folder of a task's run that several users may share: ``<dag>/<task>``."""

_FINAL_ERRORS = (
    PermissionError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    ValueError,
    ImportError,
)
_FINAL_NUMBERS = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT, errno.EROFS})
_FULL_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT})
_MAKE_ROOM = "Make room there: then the task's next try can write."
_FINAL_CODES = frozenset({"401", "403", "404"})
_NOT_FOUND = "NotFound"


class OutputFolder:
    """
    A folder that an author names, such as with ``output_path=``.

    :param url: URL of a folder: a local path, ``file://``, ``s3://connection@bucket/prefix``, ``gs://``, ``abfs://``.
    :param parameter: the operator's name for it, for errors.
    :param owner: the task instance, as :func:`~.layout.run_folder` names it. Temporary folders carry its digest, so
        that its next try finds them.
    :raises MarketoInvalidRequestError: no file system is registered for the URL.
    :raises MarketoPackageMissingError: this host lacks the package of the file system; another worker may have it.
    """

    def __init__(self, url: str | ObjectStoragePath, *, parameter: str = "output_path", owner: str = "") -> None:
        self.url = str(url).rstrip("/")
        self._parameter = parameter
        refuse_other_place(self.url, parameter)
        try:
            self._owner = hashlib.sha256(f"{self.url}\n{owner}".encode()).hexdigest()[:16]
            self._root = ObjectStoragePath(self.url)
            self._filesystem = self._root.fs
        except (ValueError, ImportError, OSError) as error:
            raise self._refused(error) from error
        self.is_local = self._root.protocol in (_LOCAL, "")

    @classmethod
    def for_task(cls, url: str | ObjectStoragePath, task: Any, *, parameter: str = "output_path") -> OutputFolder:
        """
        Return a folder whose temporary files belong to a task instance, and remove those of its killed tries.

        Temporary files of other tasks are removed when they are a week old.

        :param url: URL of the folder.
        :param task: the running task instance, ``context["ti"]``.
        :param parameter: the operator's name for the folder, for errors.
        """
        folder = cls(url, parameter=parameter, owner=layout.task_folder(task))
        folder.remove_temporary()
        with suppress(OSError):
            remove_abandoned(Path(folder._key(layout.STAGING)) if folder.is_local else temporary_folder())
        return folder

    @cached_property
    def folds_case(self) -> bool:
        """Whether names that differ only by case are one file, as on macOS, on Windows and on their shares."""
        if not self.is_local:
            return False
        with self.staging() as staging:
            return staging.is_found_in_capitals()

    def path(self, name: str) -> ObjectStoragePath:
        """
        Return the path of a file of this folder.

        :param name: name relative to the folder; empty for the folder itself.
        :raises MarketoInvalidRequestError: the name leads out of the folder, perhaps through a link. Names come from
            users, from Marketo and from files in the folder.
        """
        if not name:
            return self._root
        path = self._root / contained(name)
        if self.is_local and self._has_link(name):
            root = Path(self._root.path).resolve()
            if not Path(path.path).resolve().is_relative_to(root):
                raise outside(name)
        return path

    def _has_link(self, name: str) -> bool:
        """Whether a part of a name is a link: only then may it lead out of the folder."""
        places = accumulate(name.split("/"), os.path.join, initial=str(self._root.path))
        return any(map(os.path.islink, islice(places, 1, None)))

    def names(self, place: str) -> list[str]:
        """
        Return the sorted names of the files directly in a folder; empty if the folder does not exist.

        :param place: name of a folder in this one.
        """
        self._filesystem.invalidate_cache()  # s3fs and others remember what they have listed
        try:
            with self._asking():
                found = self._filesystem.ls(self._key(place), detail=True)
        except FileNotFoundError:
            return []
        return sorted(str(each["name"]).rpartition("/")[2] for each in found if each["type"] == "file")

    def tree(self, place: str) -> list[str]:
        """
        Return the names of all files below a folder, as paths from there, sorted.

        :param place: name of a folder in this one.
        """
        self._filesystem.invalidate_cache()
        root = self._key(place).rstrip("/") + "/"
        with self._asking():
            found = [str(key) for key in self._filesystem.find(root.rstrip("/"))]
        # A store may list the folder itself.
        return sorted(key.removeprefix(root) for key in found if key.startswith(root) and key != root)

    def modified(self, name: str) -> datetime:
        """
        Return when a file was last written, aware.

        :param name: name of the file.
        """
        with self._asking():
            when: datetime = self._filesystem.modified(self._key(contained(name)))
        return when if when.tzinfo else when.replace(tzinfo=timezone.utc)

    def check_writable(self) -> None:
        """
        Write and delete a small file, so that a wrong bucket is found before the first call to Marketo.

        :raises MarketoInvalidRequestError: the folder does not exist, or this user may not write to it.
        :raises MarketoStorageError: the storage failed in another way; a retry may help.
        """
        probe = self._write_check
        self.write(probe, b"")
        with self._asking("cannot write to"):
            self.delete(probe)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file in one step."""
        with self.staging() as staging:
            with staging.open(name) as file:
                file.write(data)
            staging.publish([name])

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""
        key = self._key(contained(name))
        try:
            with self._asking():
                return bytes(self._filesystem.cat_file(key))
        except FileNotFoundError:
            return None

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """
        Open a file that may be large.

        :param name: name of the file.
        :raises FileNotFoundError: the file does not exist.
        """
        with self._asking():
            file = self.path(name).open("rb")  # type: ignore[no-untyped-call]
        with file:
            try:
                yield file
            except OSError as error:
                raise self._refused(error, "cannot use") from error

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON document in one step."""
        self.write(name, json.dumps(value, indent=1, sort_keys=True).encode())

    def read_json(self, name: str, kind: type = dict, *, remedy: str = _RESTORE) -> Any:
        """
        Return a JSON document that an earlier task wrote; None if it does not exist.

        :param name: name of the file.
        :param kind: ``dict``, ``list`` or ``str``.
        :param remedy: what to do if the file is damaged.
        :raises MarketoStateError: the file is not JSON of this kind. A damaged file never counts as missing.
        """
        data = self.read(name)
        return None if data is None else stored.parse(data, kind, place=str(self.path(name)), remedy=remedy)

    def read_state(self, kind: type[State], name: str, *, remedy: str = _RESTORE) -> State | None:
        """
        Return the object that :meth:`write_state` stored; None if the file does not exist.

        :param kind: its class.
        :param name: name of the file.
        :param remedy: what to do if the file is damaged.
        :raises MarketoStateError: the file is damaged, or a later release wrote it.
        """
        facts = self.read_json(name, remedy=remedy)
        return None if facts is None else stored.revive(kind, facts, place=str(self.path(name)), remedy=remedy)

    def write_state(self, name: str, state: Serializable) -> None:
        """
        Store an object for later tries, tasks or releases.

        :param name: name of the file.
        :param state: the object.
        """
        self.write_json(name, state.to_dict())

    def delete(self, name: str) -> None:
        """
        Delete a file; it may be missing.

        :raises MarketoInvalidRequestError: its name leads out of the folder, perhaps through a link.
        """
        with suppress(FileNotFoundError), self._asking():
            self._filesystem.rm_file(self._key(contained(name)))

    def delete_tree(self, name: str) -> None:
        """Delete a folder and its content; it may be missing."""
        if self.is_local:
            with suppress(FileNotFoundError), self._asking():
                shutil.rmtree(self._key(contained(name)))
            return
        for each in self.tree(contained(name)):
            self.delete(f"{name}/{each}")

    def tidy_up(self, name: str) -> None:
        """
        Delete a folder that a task no longer needs. A failure is only logged, because the task's work is done.

        ``airflow marketo clean`` removes files that stay.

        :param name: name of the folder.
        """
        try:
            self.delete_tree(name)
        except MarketoError as error:
            log.warning("Could not tidy up %s: %s", name, error)

    def staging(self) -> Staging:
        """Return a place for files that are not published yet."""
        return Staging(self, self._temporary_place(), self._owner)

    def remove_temporary(self) -> None:
        """Remove unfinished files of killed tries of this task instance."""
        if self.is_local:
            shutil.rmtree(self._temporary_place(), ignore_errors=True)
            return
        with suppress(Exception):  # if the storage fails, the next access raises the error
            self.delete(self._write_check)
        for path in Path(tempfile.gettempdir()).glob(f"{layout.TEMPORARY_PREFIX}{self._owner}-*"):
            shutil.rmtree(path, ignore_errors=True)

    @property
    def _write_check(self) -> str:
        return f"{layout.STAGING}/{self._owner}/write-check"

    def _temporary_place(self) -> Path:
        return Path(self._key(f"{layout.STAGING}/{self._owner}")) if self.is_local else Path(tempfile.gettempdir())

    def _key(self, name: str) -> str:
        return str(self.path(name).path)

    def _put(self, local: Path, name: str, mode: int) -> None:
        with self.writing():
            key = self._key(name)
            if not self.is_local:
                self._filesystem.put_file(str(local), key)
                return
            final = Path(key)
            _make_folders(final.parent)
            if _PRIVATE not in final.as_posix():
                local.chmod(mode)
            sync(local)
            os.replace(local, final)
            sync(final.parent)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """
        Turn failures of writing into errors of one sentence.

        :raises MarketoInvalidRequestError: the storage says that something is forbidden, or does not exist.
        :raises MarketoStorageError: the storage failed in another way; a retry may help.
        """
        try:
            with self._asking("cannot write to"):
                yield
        except FileNotFoundError as error:
            raise self._refused(error) from error

    @contextmanager
    def _asking(self, what: str = "cannot use") -> Iterator[None]:
        """Turn failures into errors of one sentence. The callers decide whether a missing file is a failure."""
        try:
            yield
        except (MarketoError, FileNotFoundError):
            raise
        except Exception as error:
            raise self._refused(error, what) from error

    def _refused(self, error: BaseException, what: str = "cannot write to") -> MarketoError:
        what = f"{what} {self._parameter}={self.url} ({type(error).__name__}: {error})"
        package = _PACKAGES.get(self.url.partition("://")[0])
        if package and (isinstance(error, ImportError) or "registered" in str(error)):
            return MarketoPackageMissingError(f"{what}: this host does not have {package}")
        if not is_final(error):
            is_full = getattr(error, "errno", None) in _FULL_NUMBERS
            return MarketoStorageError(what, remedy=_MAKE_ROOM if is_full else None)
        return MarketoInvalidRequestError(
            what,
            parameter=self._parameter,
            remedy="Check the path, the connection in it and that connection's rights; remote folders need the"
            " pip extra for their storage, such as airflow-provider-marketo[s3].",
        )


class Staging:
    """
    Unpublished files of an output folder. Leaving the ``with`` block removes those that were not published.

    Only this user can read them: files have the mode 0600, folders 0700.

    :param folder: the folder to publish to.
    :param place: where unpublished files lie: in the folder itself if it is local, so that publishing is a rename
        on one file system.
    :param owner: the task instance's digest, a part of a name.
    """

    def __init__(self, folder: OutputFolder, place: Path, owner: str) -> None:
        self._folder = folder
        with folder.writing():
            _make_folders(place)
            self._directory = Path(tempfile.mkdtemp(prefix=f"{layout.TEMPORARY_PREFIX}{owner}-", dir=place))

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = self._folder.url  # a write does not say where the disk is full
        shutil.rmtree(self._directory, ignore_errors=True)

    def open(self, name: str, mode: str = "wb") -> BinaryIO:
        """Open a file of this name. ``wb`` creates it, ``ab`` appends, ``rb`` reads. The caller closes it."""
        path = self._directory / contained(name)
        with self._folder.writing():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if mode == "rb" or not self._folder.is_local:
                return cast("BinaryIO", open(path, mode, opener=_open_privately))
            return cast("BinaryIO", io.BufferedWriter(EarlyFile(path, mode, opener=_open_privately)))

    def is_found_in_capitals(self) -> bool:
        """Whether this place is also found by its name in capitals."""
        return self._directory.with_name(self._directory.name.upper()).exists()

    def publish(self, names: list[str]) -> None:
        """Give files their final names, in this order; each appears whole, and with the mode of any new file."""
        if not names:
            return
        with self._folder.writing():
            mode = self._usual_mode()
        for name in names:
            self._folder._put(self._directory / name, name, mode)

    def _usual_mode(self) -> int:
        """Return the mode of a new file here: the umask and the folder's ACL decide it."""
        probe = self._directory / ".mode"
        probe.touch()
        mode = stat.S_IMODE(probe.stat().st_mode)
        probe.unlink()
        return mode


def _make_folders(folder: Path) -> None:
    """Make missing folders. Only this user may enter those of a task's run, even if one is the output folder itself."""
    inside = folder.as_posix().partition(_PRIVATE)[2]
    make_folders(folder, private=len(inside.split("/")) - _SHARED_DEPTH if inside else 0)


def _open_privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def is_final(error: BaseException) -> bool:
    """
    Whether storage says that something does not exist or is not allowed: trying again would not help.

    :param error: error of the storage.
    """
    code = getattr(error, "status_code", None) or getattr(error, "code", None)
    return (
        isinstance(error, _FINAL_ERRORS)
        or getattr(error, "errno", None) in _FINAL_NUMBERS
        or str(code) in _FINAL_CODES
        or _NOT_FOUND in type(error).__name__
    )
