"""
The simulator as a command.

.. code-block:: console

    $ python -m airflow_provider_marketo.simulator --port 8090 --leads 50000 --time-scale 60
    {"url": "http://127.0.0.1:8090", "client_id": "...", "client_secret": "..."}
    airflow connections add marketo_default --conn-type marketo ...

The first line is JSON; ``--url-file`` also writes it to a file once the simulator listens. The second line adds the
connection to an Airflow. The command runs until SIGTERM or SIGINT and then prints its report. Another process injects
faults, or reads the report so far::

    python -m airflow_provider_marketo.simulator fail http://127.0.0.1:8090 leads.sync --code 611 --times 2
    python -m airflow_provider_marketo.simulator report http://127.0.0.1:8090
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import sys
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import parse_day
from airflow_provider_marketo.simulator.faults import Fault
from airflow_provider_marketo.simulator.settings import Settings
from airflow_provider_marketo.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

_PROGRAM = "python -m airflow_provider_marketo.simulator"
_NOT_OPTIONS = ("users", "export_rows", "export_header")
_BASIC = (
    "leads",
    "activities",
    "custom_objects",
    "assets",
    "start",
    "end",
    "seed",
    "time_scale",
    "limits",
    "daily_quota",
)
"""Settings in ``--help``, which fits a screen; ``--help-all`` lists every setting."""

_SLOW = "Export jobs take half a minute. With --time-scale 60 they take a second."
_HIGHEST_PORT = 65_535
_SHORTEST_POLL = 5
"""Seconds. Airflow fails a task that resumes before the scheduler has noticed that it was deferred."""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: None for those of the process.
    :return: exit code.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = {"fail": _fail, "report": _report}.get(arguments[0] if arguments else "")
    return command(arguments[1:]) if command else _serve(arguments)


def _serve(arguments: Sequence[str]) -> int:
    everything = "--help-all" in arguments
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage="%(prog)s [options]",
        description="Run a Marketo instance on this machine.",
        epilog="Commands for a running simulator: fail, report (each has --help).",
        formatter_class=partial(argparse.HelpFormatter, width=100 if everything else 80),
    )
    parser.add_argument("--help-all", action="help", help="show this help with every setting")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="port to listen on (default: a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--url-file", type=Path, metavar="FILE", help="file that receives the first line of output")
    _add_fields(parser, Settings, _NOT_OPTIONS, basic=None if everything else _BASIC)
    options = vars(parser.parse_args(arguments))
    port, host, url_file = options.pop("port"), options.pop("host"), options.pop("url_file")
    given = {name: value for name, value in options.items() if value is not None}
    if not given.keys() & {"time_scale", "status_refresh"}:
        given["status_refresh"] = _SHORTEST_POLL  # a first try does not wait for a state that changes once a minute
    try:
        settings = Settings(**given)
    except ValueError as error:
        parser.error(str(error))
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with ExitStack() as running:
        try:
            simulator = running.enter_context(Simulator(settings, port=port, host=host))
        except OSError as error:
            parser.error(f"cannot listen on {host}:{port}: {error}")
        where = {"url": simulator.url, "client_id": simulator.client_id, "client_secret": simulator.client_secret}
        print(json.dumps(where), flush=True)
        print(connections_add(simulator), flush=True)
        if settings.time_scale == 1:
            print(_SLOW, flush=True)
        if url_file is not None:
            try:
                _write_atomically(url_file, json.dumps(where) + "\n")
            except OSError as error:
                parser.error(f"--url-file: {error}")
        done.wait()
        print(simulator.report(), flush=True)
    return 0


def connections_add(simulator: Simulator) -> str:
    """Return the command that adds the connection to a simulator to an Airflow."""
    facts = json.loads(simulator.connection())
    extra = {**facts["extra"], "poll_interval": max(_SHORTEST_POLL, round(facts["extra"]["poll_interval"]))}
    options = {"type": "marketo", "host": facts["host"], "login": facts["login"], "password": facts["password"]}
    words = ["airflow", "connections", "add", "marketo_default"]
    for name, value in {**options, "extra": json.dumps(extra)}.items():
        words += [f"--conn-{name}", value]
    return shlex.join(words)


def _port(text: str) -> int:
    """Read a port; argparse names the option whose value is not a port."""
    if not 0 <= int(text) <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port: give 0 to {_HIGHEST_PORT}")
    return int(text)


def _fail(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"{_PROGRAM} fail", description="Inject a fault into a running simulator.")
    parser.add_argument("url", help="URL of the simulator")
    parser.add_argument("operation", help="name in the catalogue; * matches anything")
    _add_fields(parser, Fault, ("operation",))
    options = vars(parser.parse_args(arguments))
    url = options.pop("url")
    return _ask(url, "fault", {name: value for name, value in options.items() if value is not None})


def _report(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"{_PROGRAM} report", description="Print what a running simulator counted.")
    parser.add_argument("url", help="URL of the simulator")
    return _ask(parser.parse_args(arguments).url, "report")


def _ask(url: str, action: str, facts: dict[str, Any] | None = None) -> int:
    body = None if facts is None else json.dumps(facts).encode()
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(f"{url.rstrip('/')}/simulator/{action}", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as reply:
            print(reply.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"No simulator answers at {url}: {error}", file=sys.stderr)
        return 1
    return 0


def _add_fields(
    parser: argparse.ArgumentParser, dataclass: Any, without: Sequence[str], basic: Sequence[str] | None = None
) -> None:
    """
    Add an option for each field of a dataclass, with the help from its docstring.

    :param without: fields that get no option.
    :param basic: fields whose help is shown, as its first clause; None shows the whole help of every field.
    """
    helps = _helps(dataclass.__doc__)
    for field in fields(dataclass):
        if field.name in without:
            continue
        default = None if field.default is MISSING else field.default
        text = helps[field.name].rstrip(".") if basic is None else re.split("[,;.:]", helps[field.name])[0]
        if default is not None:
            text += f" (default: {default})"
        shown = basic is None or field.name in basic
        options: dict[str, Any] = {"help": text.replace("%", "%%") if shown else argparse.SUPPRESS}
        if isinstance(default, bool):
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = _parser_of(str(field.type))
            options["metavar"] = _METAVARS.get(options["type"], "TEXT")
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=None, **options)


def _parser_of(annotation: str) -> Any:
    for name, kind in (("int", int), ("float", float), ("date", _day), ("Path", Path)):
        if annotation.startswith(name):
            return kind
    return str


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


_METAVARS: dict[Any, str] = {int: "N", float: "N", _day: "DAY", Path: "PATH"}


def _helps(docstring: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in docstring.split(":param ")[1:]:
        name, _, text = part.partition(":")
        found[name] = " ".join(text.split())
    return found


def _write_atomically(path: Path, text: str) -> None:
    """Write a file so that a process that waits for it never reads half of it."""
    whole = path.with_name(path.name + ".new")
    whole.write_text(text)
    os.replace(whole, path)


if __name__ == "__main__":
    sys.exit(main())
