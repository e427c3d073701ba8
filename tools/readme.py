"""README's commands: `dev.py build` runs its installation, and a test runs its other steps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/airflow-provider-marketo/airflow-provider-marketo"


class Step(NamedTuple):
    """
    A numbered step.

    :param text: its text, with the code.
    :param code: its code; empty without one.
    """

    text: str
    code: str


def read() -> str:
    """Return the page."""
    return (ROOT / "README.md").read_text("utf-8")


def clone(page: str) -> str:
    """Return the commands that clone the repository and enter it."""
    (commands,) = re.findall(r"^git clone .*\ncd .*\n", page, re.MULTILINE)
    return str(commands)


def steps(page: str) -> dict[str, Step]:
    """Return the steps of the section "Your first rows", in their order, by the words in bold."""
    section = re.split(r"^###? ", page.split("\n## Your first rows\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = {}
    for step in re.finditer(r"^\*\*\d+\. (.*?)\.?\*\*(.*?)(?=^\*\*\d|\Z)", section, re.MULTILINE | re.DOTALL):
        code = re.search(r"^```\w+\n(.*?)^```", step[2], re.MULTILINE | re.DOTALL)
        found[step[1]] = Step(step[2], code[1] if code else "")
    return found


def environment() -> dict[str, str]:
    """Return the variables that let ``git clone`` take this working copy for the repository."""
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{ROOT}.insteadOf", "GIT_CONFIG_VALUE_0": REPOSITORY}
