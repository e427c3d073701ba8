"""``python -m airflow_provider_marketo``: the commands of ``airflow marketo``, which Airflow 3.1 does not load."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, CLICommand

from airflow_provider_marketo.cli.definition import get_marketo_cli_commands

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run a command.

    :param arguments: the arguments of the command line. Default: those of this process.
    """
    (group,) = get_marketo_cli_commands()
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_marketo", description=group.help)
    _add(parser, group)
    namespace = parser.parse_args(arguments)
    namespace.func(namespace)


def _add(parser: argparse.ArgumentParser, command: CLICommand) -> None:
    if isinstance(command, ActionCommand):
        for argument in command.args:
            argument.add_to_parser(parser)
        parser.set_defaults(func=command.func)
        return
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for each in command.subcommands:
        _add(commands.add_parser(each.name, help=each.help, description=each.description), each)


if __name__ == "__main__":
    main(sys.argv[1:])
