"""
The snippets of the documentation that the tests run.

A snippet is a block of Python followed by what is true after it has run, in a comment that readers of the page do not
see. A comment before it may prepare what the snippet needs::

    <!-- given
    (lake / "people").mkdir()
    -->

    ```python
    ...
    ```

    <!-- then
    assert returned("people")["rows"] == 0
    -->

:mod:`tests.snippets.runner` says which names the comments may use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_SNIPPET = re.compile(
    r"(?:^<!-- given\n(?P<given>(?:(?!-->).)*?)-->\n+)?"
    r"^```python\n(?P<code>(?:(?!^```).)*)^```\n"
    r"(?:\n*^<!-- then\n(?P<then>.*?)^-->)?",
    re.MULTILINE | re.DOTALL,
)


class Snippet(NamedTuple):
    """
    A block of Python on a page.

    :param name: page and line.
    :param given: code that prepares what the block needs.
    :param code: the block itself.
    :param then: what is asserted after it has run; empty if the block is not run.
    """

    name: str
    given: str
    code: str
    then: str

    @property
    def has_dag(self) -> bool:
        """Whether the snippet defines a DAG."""
        return "DAG(" in self.code


def snippets() -> Iterator[Snippet]:
    """Yield the blocks of Python of all pages."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        for found in _SNIPPET.finditer(text):
            line = text.count("\n", 0, found.start("code")) + 1
            name = f"{page.relative_to(DOCS).with_suffix('')}:{line}"
            yield Snippet(name, found["given"] or "", found["code"], found["then"] or "")
