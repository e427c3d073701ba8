"""
Separate hosts on this machine, made of Linux namespaces: each has a name, a network, and folders of its own.

Such a host reaches only the services that it is given, each at the address that it has here. A test can cut one off,
let it come back, freeze the whole host, or let it die. Making hosts needs root, and the programs ``unshare``,
``mount`` and ``ip``.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tools.real_airflow import end_sessions, processes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

PROGRAMS = ("unshare", "mount", "ip")
_BLOCK = 1 << 16


class SeparateHostError(RuntimeError):
    """Raised if this machine cannot make separate hosts; the message says what it lacks."""


def require_separate_hosts() -> None:
    """
    Check that this machine can make separate hosts.

    :raises SeparateHostError: it cannot.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise SeparateHostError(
            f"separate hosts need {', '.join(missing)}: apt-get install -y util-linux mount iproute2"
        )
    if os.geteuid() != 0:
        raise SeparateHostError("separate hosts need root: only root makes namespaces of networks and mounts")


class Relay:
    """
    Forwards connections from one address to another, until it is cut.

    :param listener: a bound socket.
    :param connect: opens a connection to the other end.
    """

    def __init__(self, listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self._listener = listener
        self._connect = connect
        self._open: set[socket.socket] = set()
        self.is_cut = False
        listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self.is_cut = True
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Accept connections again."""
        self.is_cut = False

    def close(self) -> None:
        """End the relay."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
            else:
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), self._connect() as far:
            pair = {near, far}
            self._open |= pair
            try:
                _pump(near, far)
            finally:
                self._open -= pair


def _pump(near: socket.socket, far: socket.socket) -> None:
    """Copy both ways until one end has closed and the other has nothing left to send."""
    others = {near: far, far: near}
    reading = set(others)
    while reading:
        ready, _, _ = select.select(list(reading), [], [])
        for each in ready:
            block = each.recv(_BLOCK)
            if block:
                others[each].sendall(block)
                continue
            reading.discard(each)
            others[each].shutdown(socket.SHUT_WR)


class SeparateHost:
    """
    A separate host.

    :param name: its hostname.
    :param folder: folder for the host's files.
    :param private: folders that the host sees in a version of its own, which is empty at first. They must exist.
    :param services: name of a service to its port on this machine.
    """

    def __init__(self, name: str, folder: Path, private: Iterable[Path], services: Mapping[str, int]) -> None:
        self.name = name
        self._folder = folder
        self._private = {str(path): folder / f"disk{number}" for number, path in enumerate(private)}
        for disk in self._private.values():
            disk.mkdir(parents=True, exist_ok=True)
        self._sockets = {name: folder / f"{name}.sock" for name in services}
        self._ports = dict(services)
        self._relays = {name: self._outer(self._sockets[name], port) for name, port in services.items()}
        self._sessions: set[int] = set()

    def on_disk(self, path: Path) -> Path:
        """
        Return where a file of the host is on this machine.

        :param path: path as the host sees it.
        """
        for seen, disk in self._private.items():
            if path.is_relative_to(seen):
                return disk / path.relative_to(seen)
        return path

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """
        Start a program on the host, in a session of its own.

        :param command: the program and its arguments.
        :param environment: all of its environment variables.
        :param log: file for its output.
        """
        inside = {
            "name": self.name,
            "mounts": {seen: str(disk) for seen, disk in self._private.items()},
            "services": {str(self._sockets[name]): port for name, port in self._ports.items()},
            "command": list(command),
        }
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["unshare", "--mount", "--uts", "--net", sys.executable, "-m", __name__, json.dumps(inside)],
                env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions.add(process.pid)
        return process

    def cut(self, service: str) -> None:
        """Cut the host off from a service: connections break, and new ones are refused."""
        self._relays[service].cut()

    def restore(self, service: str) -> None:
        """Let the host reach a service again."""
        self._relays[service].restore()

    def freeze(self) -> None:
        """Stop every process of the host where it is."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let every process of the host continue."""
        self._signal(signal.SIGCONT)

    def processes(self) -> Iterator[psutil.Process]:
        """Yield every process of the host."""
        yield from processes_of(self._sessions)

    def die(self) -> None:
        """End every process of the host at once, as a power failure does. Its disks stay."""
        while alive := list(self.processes()):
            self._signal(signal.SIGKILL)
            psutil.wait_procs(alive, timeout=1)
        self._sessions.clear()

    def close(self) -> None:
        """End the host."""
        self.thaw()
        end_sessions(self._sessions)
        for relay in self._relays.values():
            relay.close()

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    @staticmethod
    def _outer(path: Path, port: int) -> Relay:
        # A socket that is a file can be reached from every network.
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        return Relay(listener, lambda: socket.create_connection(("127.0.0.1", port)))


def _connect(path: str) -> socket.socket:
    far = socket.socket(socket.AF_UNIX)
    far.connect(path)
    return far


def inside(facts: Mapping[str, object]) -> int:
    """
    Set up the namespaces that ``unshare`` has made, and run the host's program in them.

    :param facts: the facts that :meth:`SeparateHost.start` passes.
    :return: the program's exit code.
    """
    socket.sethostname(str(facts["name"]))
    for seen, disk in dict(facts["mounts"]).items():  # type: ignore[call-overload]
        subprocess.run(["mount", "--bind", disk, seen], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    relays = []
    for path, port in dict(facts["services"]).items():  # type: ignore[call-overload]
        listener = socket.create_server(("127.0.0.1", port))
        relays.append(Relay(listener, lambda path=path: _connect(path)))  # type: ignore[misc]
    return subprocess.run(list(facts["command"]), check=False).returncode  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(inside(json.loads(sys.argv[1])))
