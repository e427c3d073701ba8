"""The page of symptoms quotes sentences that the code really says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "symptoms.md"
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)


def sentences() -> Iterator[str]:
    """Yield the texts of the package, with an ellipsis for each value that is put in."""
    for file in sorted((ROOT / "airflow_provider_marketo").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"%(?:\.\d)?[sdgf]", "…", node.value)


@pytest.fixture(scope="module")
def said() -> str:
    return "\n".join(sentences())


@pytest.mark.parametrize("sentence", QUOTED)
def test_a_quoted_sentence_is_in_the_code(said: str, sentence: str) -> None:
    assert sentence in said


def test_the_page_of_symptoms_quotes_more_than_thirty_sentences() -> None:
    assert len(QUOTED) > 30
