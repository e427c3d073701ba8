"""``python -m airflow_provider_marketo``: the commands of ``airflow marketo``, for Airflow 3.1, which has no such."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow.cli.cli_config import ActionCommand, CLICommand

from airflow_provider_marketo.cli.definition import get_marketo_cli_commands


def main(arguments: Sequence[str] | None = None) -> None:
    """
    :param arguments: in the place of the command line's.
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
