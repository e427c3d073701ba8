"""The commands under ``airflow marketo``, as Airflow's command line sees them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
from airflow.cli.cli_config import ActionCommand, CLICommand

from airflow_provider_marketo.cli.definition import get_marketo_cli_commands

LISTINGS = {"describe", "doctor", "freshness", "ledger list", "operations", "plan", "quota", "status"}


def actions(commands: list[CLICommand], prefix: str = "") -> Iterator[tuple[str, ActionCommand]]:
    for command in commands:
        if isinstance(command, ActionCommand):
            yield f"{prefix}{command.name}", command
        else:
            yield from actions(command.subcommands, f"{prefix}{command.name} ")


(MARKETO,) = get_marketo_cli_commands()
COMMANDS = dict(actions(MARKETO.subcommands))


def options(name: str) -> dict[str, argparse.Action]:
    """Return the arguments of a command by their names in the namespace."""
    parser = argparse.ArgumentParser()
    for argument in COMMANDS[name].args:
        argument.add_to_parser(parser)
    return {action.dest: action for action in parser._actions}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_argument_is_explained(name):
    assert COMMANDS[name].help
    assert all(action.help for action in options(name).values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_lists_something_prints_a_table_json_or_yaml(name):
    output = options(name).get("output")
    assert (output is not None) == (name in LISTINGS)
    if output is not None:
        assert (tuple(output.choices), output.default) == (("table", "json", "yaml"), "table")
