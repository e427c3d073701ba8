"""
Change code on purpose, one place at a time, and see whether a test notices.

    python -m tools.mutate --module client/paging --sample 10
    python -m tools.mutate --module client/paging --sample 10 --seed 1234

A module's own tests are in ``TESTS``; ``--tests`` names others. The last line is the verdict, and the command exits
with 1 if fewer than nine in ten mutants are killed.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_marketo"
FLOOR = 0.9
"""The share of mutants that the tests of a module must kill."""

TESTS: Mapping[str, Sequence[str]] = {
    "at_most_once/campaigns": ("operators/test_campaigns.py", "faults/test_once.py"),
    "at_most_once/ledger": ("at_most_once", "faults/test_once.py"),
    "client/auth": ("client/test_auth.py", "client/test_client.py"),
    "client/bulk/fetch": ("client/bulk",),
    "client/bulk/plan": ("client/bulk",),
    "client/governor/rules": ("client/governor",),
    "client/paging": ("client/test_client.py", "client/test_paging.py"),
    "client/retry": ("client/test_retry.py", "client/test_client.py"),
    "client/tabular/csvfile": ("client/tabular",),
    "client/tabular/keys": ("client/tabular",),
    "client/transport": ("client/test_client.py", "client/test_answers.py", "client/bulk", "client/test_secrets.py"),
    "extract/run": (
        "operators/test_bulk_extract.py",
        "operators/test_spans.py",
        "faults/test_bulk_extract_weather.py",
        "extract",
    ),
    "hooks/quota": ("hooks", "test_stored_formats.py"),
    "hooks/settings": ("hooks",),
    "imports/matching": ("imports/test_matching.py", "operators/test_bulk_import.py"),
    "imports/sync": (
        "faults/test_sync_refused.py",
        "operators/test_sync.py",
        "operators/test_members.py",
        "operators/test_stop.py",
    ),
    "policy": ("test_policy.py",),
    "streams/position": ("streams", "operators/test_incremental_leads.py", "test_stored_formats.py"),
    "streams/run": (
        "streams",
        "operators/test_incremental_leads.py",
        "operators/test_hidden_changes.py",
        "test_stored_formats.py",
    ),
}
"""Modules to their tests, under ``tests``."""

_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "__pycache__", "docs")
_COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}
_BARE = (ast.Name, ast.Attribute, ast.Call, ast.NamedExpr)
"""Conditions that have no operator to change. They are negated."""
_UNCHANGED_CALLS = ("lru_cache", "functools.lru_cache", "TypeVar")
_SEQUENCES = (ast.JoinedStr, ast.List, ast.ListComp, ast.Tuple)
_CALLS = {"any": "all", "all": "any", "min": "max", "max": "min"}


@dataclass(frozen=True)
class Mutant:
    """
    One change of a module.

    :param line: first line of the change, from 1.
    :param start: start of the change, in bytes.
    :param end: end of the change, in bytes.
    :param code: the code that replaces it.
    """

    line: int
    start: int
    end: int
    code: str

    def apply(self, source: bytes) -> bytes:
        """Return the module with the change."""
        return source[: self.start] + self.code.encode() + source[self.end :]

    def describe(self, source: bytes) -> str:
        """Return the change as a line of text."""
        before = " ".join(source[self.start : self.end].decode().split())
        return f"line {self.line}: {before[:90]}  ->  {self.code[:90]}"


def mutants(source: bytes) -> list[Mutant]:
    """
    Return every mutant of a module.

    What no test should notice stays as it is: annotations, docstrings, code for type checkers, log lines, conditions
    of log lines, texts of errors, sizes of caches, variances of types, and ``strict`` of ``zip``. Sums of texts and
    lists stay, too: their difference is a TypeError, which every test notices.

    :param source: source text of the module.
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, code in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        found.append(Mutant(node.lineno, start, end, code))
    return found


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in ast.iter_child_nodes(tree):
        if _goes_unnoticed(node):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield node, "pass"
        if isinstance(node, ast.expr):
            yield from ((node, code) for code in _instead(node))
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and isinstance(node.test, _BARE):
            yield node.test, f"(not {ast.unparse(node.test)})"
        if isinstance(node, ast.comprehension):
            yield from ((test, f"(not {ast.unparse(test)})") for test in node.ifs if isinstance(test, _BARE))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name not in ("__repr__", "__str__"):
            yield from _without_body(node)
        if isinstance(node, ast.ClassDef):
            yield from _changes(ast.Module(node.body, []))  # without decorators
            continue
        if isinstance(node, ast.Raise):
            texts = {id(part) for each in ast.walk(node) if isinstance(each, ast.JoinedStr) for part in ast.walk(each)}
            yield from (change for change in _changes(node) if id(change[0]) not in texts)
            continue
        yield from _changes(_Body(node) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else node)


def _goes_unnoticed(node: ast.AST) -> bool:
    """Whether no test should notice a change of this part of a module."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or ast.unparse(node.value).startswith("log.")
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING" or (not node.orelse and all(map(_goes_unnoticed, node.body)))
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in _UNCHANGED_CALLS
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    return False


class _Body(ast.AST):
    """The parts of a function that run: without annotations and decorators."""

    _fields = ("defaults", "body")

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.defaults = [*function.args.defaults, *(each for each in function.args.kw_defaults if each)]
        self.body = function.body


def _without_body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[ast.stmt, str]]:
    """Yield the deletion of a body, which is the replacement of its first statement."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    is_call = len(body) == 1 and isinstance(body[0], ast.Expr)  # which has a mutant of its own, or is a log line
    if body and not is_call and ast.unparse(body[0]) not in ("pass", "return", "return None"):
        yield body[0], "return None"


def _instead(node: ast.expr) -> Iterator[str]:
    """Yield the replacements of an expression."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = _COMPARISONS[type(node.ops[0])]()
        yield f"({ast.unparse(ast.Compare(node.left, [other], node.comparators))})"
    elif isinstance(node, ast.BoolOp):
        other_word = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"({ast.unparse(ast.BoolOp(other_word, node.values))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"(bool({ast.unparse(node.operand)}))"
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not _is_sequence(node):
        yield f"({ast.unparse(ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))})"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield ast.unparse(ast.Call(ast.Name(_CALLS[node.func.id]), node.args, node.keywords))
    elif isinstance(node, ast.IfExp):
        yield f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int)):
        yield str(not node.value) if isinstance(node.value, bool) else f"({node.value + 1})"


def _is_sequence(node: ast.expr) -> bool:
    """Whether an expression is certainly a text, a list or a tuple."""
    if isinstance(node, ast.BinOp):
        return _is_sequence(node.left) or _is_sequence(node.right)
    return isinstance(node, _SEQUENCES) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def failure(folder: Path, tests: Sequence[str], timeout: float) -> str | None:
    """
    Run tests and return the end of their output if they fail; return None if they pass.

    :param folder: a copy of the project.
    :param tests: files and folders of tests.
    :param timeout: seconds; tests that take longer have failed.
    :raises RuntimeError: pytest found no tests.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not airflow", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return f"the tests did not end in {timeout:.0f} s"
    output = ended.stdout.decode(errors="replace")[-2000:] + ended.stderr.decode(errors="replace")[-2000:]
    if ended.returncode in (4, 5):
        raise RuntimeError(output)
    return output if ended.returncode else None


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutate", description=__doc__.splitlines()[1])
    parser.add_argument("--module", required=True, help=f"path in {PACKAGE} without .py, such as client/paging")
    parser.add_argument("--sample", type=int, default=10, help="how many mutants; default 10")
    parser.add_argument("--seed", type=int, help="chooses the mutants. Default: a fresh one, which is printed")
    parser.add_argument("--tests", nargs="*", help="files and folders under tests. Default: the module's own")
    arguments = parser.parse_args()
    tests = arguments.tests or TESTS.get(arguments.module)
    if not tests:
        parser.error(f"{arguments.module} has no tests in the table; name some with --tests")
    tests = [f"tests/{name}" for name in tests]
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory(prefix="marketo-mutants-") as folder:
        copy = Path(folder, "project")
        shutil.copytree(HERE, copy, ignore=_LEFT_OUT)
        path = copy / PACKAGE / f"{arguments.module}.py"
        source = path.read_bytes()
        found = mutants(source)
        chosen = random.Random(seed).sample(found, min(arguments.sample, len(found)))
        print(f"{arguments.module}: {len(chosen)} of {len(found)} mutants, seed {seed}", flush=True)
        began = time.monotonic()
        if output := failure(copy, tests, 3600):
            print(output)
            print("the tests fail without a mutant")
            return 2
        timeout = 30 + 4 * (time.monotonic() - began)
        survived = 0
        for number, mutant in enumerate(sorted(chosen, key=lambda each: each.start)):
            path.write_bytes(mutant.apply(source))
            os.utime(path, (number, number))  # or Python may run the compiled code of the previous mutant
            if failure(copy, tests, timeout) is None:
                survived += 1
                print(f"survived, {mutant.describe(source)}", flush=True)
    killed = len(chosen) - survived
    print(f"{arguments.module}: {len(chosen)} mutants, {killed} killed, {survived} survived")
    return 0 if killed >= FLOOR * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
