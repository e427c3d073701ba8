"""``python -m airflow_provider_marketo``: the commands of ``airflow marketo``, for Airflow 3.1, which has no such."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_provider_marketo.cli.definition import get_marketo_cli_commands


def main(arguments: Sequence[str] | None = None) -> None:
    """
    :param arguments: in the place of the command line's.
    """
    (group,) = get_marketo_cli_commands()
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_marketo", description=group.help)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in group.subcommands:
        subparser = commands.add_parser(command.name, help=command.help, description=command.description)
        for argument in command.args:
            argument.add_to_parser(subparser)
        subparser.set_defaults(func=command.func)
    namespace = parser.parse_args(arguments)
    namespace.func(namespace)


if __name__ == "__main__":
    main(sys.argv[1:])
