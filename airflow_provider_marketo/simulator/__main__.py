"""
The simulator as a command.

.. code-block:: console

    $ python -m airflow_provider_marketo.simulator --port 8090 --leads 50000 --time-scale 60
    {"url": "http://127.0.0.1:8090", "client_id": "...", "client_secret": "..."}

The first line is JSON; ``--url-file`` writes it to a file as well, once the simulator listens. It runs until it gets
SIGTERM or SIGINT and then prints what it saw. Another process asks for bad weather, or for the report so far::

    python -m airflow_provider_marketo.simulator fail http://127.0.0.1:8090 leads.sync --code 611 --times 2
    python -m airflow_provider_marketo.simulator report http://127.0.0.1:8090
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import MISSING, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.faults import Fault
from airflow_provider_marketo.simulator.settings import Settings
from airflow_provider_marketo.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_ON_THE_COMMAND_LINE = ("users", "export_rows", "export_header")


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :return: exit code.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = {"fail": _fail, "report": _report}.get(arguments[0] if arguments else "")
    return command(arguments[1:]) if command else _serve(arguments)


def _serve(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_marketo.simulator",
        description="A Marketo instance that runs on this machine.",
        epilog="Further commands: fail, report.",
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--url-file", type=Path, help="file that gets the first line of the output")
    _add_fields(parser, Settings, _NOT_ON_THE_COMMAND_LINE)
    options = vars(parser.parse_args(arguments))
    port, host, url_file = options.pop("port"), options.pop("host"), options.pop("url_file")
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except ValueError as error:
        parser.error(str(error))
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with Simulator(settings, port=port, host=host) as simulator:
        where = {"url": simulator.url, "client_id": simulator.client_id, "client_secret": simulator.client_secret}
        print(json.dumps(where), flush=True)
        if url_file is not None:
            _write_at_once(url_file, json.dumps(where) + "\n")
        done.wait()
        print(simulator.report(), flush=True)
    return 0


def _fail(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="... simulator fail", description="Ask a running simulator for bad weather.")
    parser.add_argument("url", help="address of the simulator")
    parser.add_argument("operation", help="name in the catalogue; * stands for anything")
    _add_fields(parser, Fault, ("operation",))
    options = vars(parser.parse_args(arguments))
    url = options.pop("url")
    return _ask(url, "fault", {name: value for name, value in options.items() if value is not None})


def _report(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="... simulator report", description="What a running simulator has seen.")
    parser.add_argument("url", help="address of the simulator")
    return _ask(parser.parse_args(arguments).url, "report")


def _ask(url: str, action: str, facts: dict[str, Any] | None = None) -> int:
    body = None if facts is None else json.dumps(facts).encode()
    request = urllib.request.Request(f"{url.rstrip('/')}/simulator/{action}", data=body)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            print(reply.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"No simulator answers at {url}: {error}", file=sys.stderr)
        return 1
    return 0


def _add_fields(parser: argparse.ArgumentParser, dataclass: Any, without: Sequence[str]) -> None:
    """An option for each field of a dataclass, with the help that its docstring gives."""
    helps = _helps(dataclass.__doc__)
    for field in fields(dataclass):
        if field.name in without:
            continue
        default = None if field.default is MISSING else field.default
        options: dict[str, Any] = {"help": f"{helps.get(field.name, '')} (default: {default})".replace("%", "%%")}
        if isinstance(default, bool):
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = _parser_of(str(field.type))
            options["metavar"] = field.name.upper()
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=None, **options)


def _parser_of(annotation: str) -> Any:
    for name, kind in (("int", int), ("float", float), ("date", date.fromisoformat), ("Path", Path)):
        if annotation.startswith(name):
            return kind
    return str


def _helps(docstring: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in docstring.split(":param ")[1:]:
        name, _, text = part.partition(":")
        found[name] = " ".join(text.split())
    return found


def _write_at_once(path: Path, text: str) -> None:
    """So that whoever waits for the file never reads half of it."""
    whole = path.with_name(path.name + ".new")
    whole.write_text(text)
    os.replace(whole, path)


if __name__ == "__main__":
    sys.exit(main())
