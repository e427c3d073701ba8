"""
The files of a worker and its storages that a task may read and upload.

An author names a file in the DAG file. A rendered template or an XCom is content; it names a file only in the folders
that the deployment allows.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from jinja2 import Environment

from airflow_provider_marketo.at_most_once import files
from airflow_provider_marketo.at_most_once.files import NamedFiles, is_inside
from airflow_provider_marketo.at_most_once.named_files import named_files
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStorageError
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.assets import MarketoAssetOperator
from tests.simulated import marketo
from tests.support import task_context

__all__ = ["marketo"]

SECRET = "the worker's secret"

UPLOADS = [
    (operation.name, parameter.name)
    for operation in operations.all_operations()
    for parameter in operation.parameters.values()
    if parameter.type == "file"
]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "private").mkdir()
    path = tmp_path / "private" / "environ"
    path.write_text(SECRET)
    return path


@pytest.fixture
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that ``[marketo] upload_roots`` allows."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__MARKETO__UPLOAD_ROOTS", f"s3://aws@lake/brand, {folder}")
    return folder


def content(
    operation: str, name: str, written: Any, conf: dict[str, Any], *, native: bool = False, map_index: int = -1
):
    """Return the bytes that a task would upload: its arguments are noted, rendered and read as an operator does it."""
    arguments = {name: written}
    with DAG("a_dag", schedule=None, render_template_as_native_obj=native):
        task = MarketoApiOperator(task_id="a_task", operation=operation, arguments=arguments)
    named = named_files(arguments)
    task.render_template_fields({"conf": conf})
    found = NamedFiles(named, mapped=map_index >= 0).opened(operations.get(operation), task.arguments)[name]
    found = found[1] if isinstance(found, tuple) else found
    return found.encode() if isinstance(found, str) else found


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("scheme", ["", "file://", "local://", "file:"])
@pytest.mark.parametrize(("operation", "name"), UPLOADS)
def test_text_that_a_template_renders_is_the_content(operation, name, scheme, native, secret):
    html = f"{scheme}{secret}"
    assert content(operation, name, "{{ conf['html'] }}", {"html": html}, native=native) == html.encode()
    assert content(operation, name, html, {}) == html.encode()


@pytest.mark.parametrize(("operation", "name"), UPLOADS)
def test_a_path_in_the_dag_file_is_read(operation, name, secret):
    assert content(operation, name, {"path": str(secret)}, {}) == SECRET.encode()
    assert content(operation, name, ObjectStoragePath(f"file://{secret}"), {}) == SECRET.encode()
    assert content(operation, name, secret, {}) == SECRET.encode()


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("make", [lambda path: {"path": path}, lambda path: ObjectStoragePath(f"file://{path}")])
@pytest.mark.parametrize(("operation", "name"), UPLOADS)
def test_a_path_with_a_template_is_read_only_in_the_allowed_folders(operation, name, make, secret, tmp_path):
    (tmp_path / "uploads" / "a.html").write_text("<p>a</p>")
    (tmp_path / "uploads" / "link").symlink_to(secret)
    (tmp_path / "uploads-of-others").mkdir()
    (tmp_path / "uploads-of-others" / "a.html").write_text(SECRET)
    written = make(f"{tmp_path}/{{{{ conf['file'] }}}}")
    assert content(operation, name, written, {"file": "uploads/a.html"}) == b"<p>a</p>"
    outside = ("private/environ", "uploads/../private/environ", "uploads/link", "uploads-of-others/a.html")
    for file in outside:
        with pytest.raises(MarketoInvalidRequestError, match=r"upload_roots|cannot be read"):
            content(operation, name, written, {"file": file})
    with pytest.raises(MarketoInvalidRequestError, match="uploads is not a file"):
        content(operation, name, written, {"file": "uploads"})


@pytest.mark.usefixtures("allowed")
def test_a_link_that_is_turned_after_the_check_shows_nothing(secret, tmp_path, monkeypatch):
    link = tmp_path / "uploads" / "a.html"
    (tmp_path / "uploads" / "good.html").write_text("<p>a</p>")
    link.symlink_to("good.html")

    def turned_afterwards(path, root):
        allowed = is_inside(path, root)
        if allowed:
            link.unlink()
            link.symlink_to(secret)
        return allowed

    monkeypatch.setattr(files, "is_inside", turned_afterwards)
    with pytest.raises(MarketoInvalidRequestError, match="upload_roots"):
        content("files.create", "file", {"path": "{{ conf['file'] }}"}, {"file": str(link)})


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("name", ["pipe", "~/.netrc"])
def test_a_pipe_or_a_home_in_an_allowed_folder_is_not_opened(name, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "uploads" / "pipe")
    monkeypatch.chdir(tmp_path / "uploads")  # where a relative path begins
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(SECRET)
    with pytest.raises(MarketoInvalidRequestError, match=r"pipe is not a file|upload_roots|cannot be read"):
        content("files.create", "file", {"path": "{{ conf['file'] }}"}, {"file": name})


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    "chain", ["simplecache::file://", "filecache::", "local://", "zip://a::file://", "dir::file://"]
)
def test_a_chain_of_protocols_leads_nowhere(chain, secret, tmp_path):
    for file in (secret, tmp_path / "uploads" / ".." / "private" / "environ"):
        with pytest.raises(MarketoInvalidRequestError, match=r"upload_roots|cannot be read"):
            content("files.create", "file", {"path": "{{ conf['file'] }}"}, {"file": f"{chain}{file}"})


def test_without_allowed_folders_no_path_with_a_template_is_read(secret):
    with pytest.raises(MarketoInvalidRequestError, match=r"comes from a template.*upload_roots.*Write the path"):
        content("files.create", "file", {"path": "{{ conf['file'] }}"}, {"file": str(secret)})


@pytest.mark.parametrize("file", [{"path": "PATH"}, "PATH"], ids=["a mapping", "a path object"])
def test_what_a_native_template_makes_does_not_name_a_file(file, secret):
    conf = {"file": {"path": str(secret)} if isinstance(file, dict) else ObjectStoragePath(f"file://{secret}")}
    with pytest.raises(MarketoInvalidRequestError, match="upload_roots"):
        content("files.create", "file", "{{ conf['file'] }}", conf, native=True)


def test_a_mapped_task_gets_its_paths_from_anywhere(secret):
    with pytest.raises(MarketoInvalidRequestError, match="upload_roots"):
        content("files.create", "file", {"path": str(secret)}, {}, map_index=0)


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("s3://aws@lake/brand/logo.png", True),
        ("s3://other@lake/brand/logo.png", False),
        ("s3://lake/brand/logo.png", False),
        ("s3://aws@lake/brand/../payroll.csv", False),
        ("s3://aws@lake/brand//../payroll.csv", False),
        ("s3://aws@lake/brandnew/logo.png", False),
        ("s3://aws@other/brand/logo.png", False),
        ("file:///brand/logo.png", False),
    ],
)
def test_an_allowed_folder_is_meant_with_its_connection(url, is_allowed):
    assert is_inside(ObjectStoragePath(url), ObjectStoragePath("s3://aws@lake/brand/")) is is_allowed


def test_no_connection_is_used_for_a_path_outside_of_the_allowed_folders(allowed, monkeypatch):
    asked = []
    monkeypatch.setattr(files, "_upload_roots", lambda: [ObjectStoragePath("s3://aws@lake/brand")])
    monkeypatch.setattr(ObjectStoragePath, "fs", property(asked.append))
    for url in ("s3://payroll@lake/brand/a.png", "gs://other@lake/brand/a.png", "s3://lake/brand/a.png"):
        with pytest.raises(MarketoInvalidRequestError, match="upload_roots"):
            content("files.create", "file", {"path": "{{ conf['file'] }}"}, {"file": url})
    assert asked == []


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (type("EndpointConnectionError", (Exception,), {}), MarketoStorageError),
        (TimeoutError, MarketoStorageError),
        (type("NotFound", (Exception,), {}), MarketoInvalidRequestError),
        (PermissionError, MarketoInvalidRequestError),
    ],
)
def test_an_error_of_a_store_says_whether_another_try_may_help(raised, error, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise raised("no answer")

    monkeypatch.setattr(ObjectStoragePath, "open", fail)
    with pytest.raises(error, match=rf"cannot be read \({raised.__name__}: no answer"):
        content("files.create", "file", {"path": "s3://lake/logo.png"}, {})


@pytest.mark.parametrize("whole", ["{{ conf['arguments'] }}", "TEXT"])
def test_only_arguments_that_are_text_as_a_whole_name_their_files(whole, secret):
    given = json.dumps({"file": {"path": str(secret)}})
    written = given if whole == "TEXT" else whole
    named = named_files(written)
    files = NamedFiles(named, mapped=False)
    if whole == "TEXT":
        assert files.opened(operations.get("files.create"), json.loads(given))["file"][1] == SECRET.encode()
    else:
        with pytest.raises(MarketoInvalidRequestError, match="upload_roots"):
            files.opened(operations.get("files.create"), json.loads(given))


def test_a_device_is_read_no_further_than_marketo_accepts():
    with pytest.raises(MarketoInvalidRequestError, match="bytes, and Marketo takes"):
        content("files.create", "file", {"path": "/dev/zero"}, {})


@pytest.mark.parametrize("kind", ["api", "asset"])
def test_no_operator_uploads_a_file_that_a_rendered_text_names(kind, marketo, secret, tmp_path):
    instance = marketo()
    folder = next(each for each in instance.instance.store.assets.folders.values() if each.name == "Images")
    place = {"id": folder.id, "type": "Folder"}
    arguments = {"file": "{{ conf['file'] }}"}
    if kind == "api":
        task: Any = MarketoApiOperator(
            task_id="a_task", operation="files.create", arguments={"name": "a.txt", "folder": place, **arguments}
        )
    else:
        task = MarketoAssetOperator(
            task_id="a_task",
            asset_type="files",
            action="create",
            name="a.txt",
            folder=place,
            arguments=arguments,
            ledger=str(tmp_path),
        )
    task.render_template_fields({"conf": {"file": str(secret)}}, Environment())
    task.execute(task_context())
    (file,) = (each for each in instance.instance.store.assets.records("files") if each.name == "a.txt")
    assert file.newest["size"] == len(str(secret))


def test_an_open_file_is_one_request_at_every_try(marketo, tmp_path):
    instance = marketo()
    for _ in range(2):
        MarketoApiOperator(
            task_id="a_task",
            operation="bulk_import_leads.import",
            arguments={"format": "csv", "file": io.BytesIO(b"email\na@example.com\n")},
            ledger=str(tmp_path),
        ).execute(task_context())
    assert instance.report().calls["bulk_import_leads.import"] == 1
