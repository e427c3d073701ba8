#!/usr/bin/env python3
"""
One command for everything that a developer runs. It needs Python 3.10 or newer and a package registry.

    python3 dev.py demo             a real Airflow extracts from a simulated Marketo, and loads into DuckDB
    python3 dev.py test             the tests that need only Python and a few seconds each
    python3 dev.py test --all       also the slow tests and those that start a real Airflow
    python3 dev.py test --services  also the tests that need PostgreSQL, Redis or an S3 server
    python3 dev.py survive          tasks under random faults: nothing may be lost or doubled
    python3 dev.py mutate           change one module on purpose: the tests must notice
    python3 dev.py coverage         the tests of "test" and the slow ones, and how much of the code they run
    python3 dev.py lint             ruff, the imports between folders, spelling
    python3 dev.py types            mypy
    python3 dev.py docs             the documentation as a site, in build/docs
    python3 dev.py build            wheel and sdist; the wheel is tried in a clean environment
    python3 dev.py install          only the virtual environment, for your editor
    python3 dev.py clean            remove everything that these commands made
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import readme
from tools.progress import stage

HERE = Path(__file__).resolve().parent
OLDEST_PYTHON = (3, 10)
AIRFLOW_LINES = ("3.1", "3.2", "3.3")
DEVELOPMENT_LINE = AIRFLOW_LINES[-1]
BIGQUERY_PYTHON = "3.13"
TEST_WORKERS = (os.cpu_count() or 1) + 2
"""Two more than the machine has cores: a test waits for disks, sockets and processes for a third of its time."""

BUSY_WORKERS = TEST_WORKERS - 1
"""Workers beside a real Airflow, which needs a part of the cores for itself."""

PARTS = {
    "python": {"client", "contract", "interop", "output", "simulator", "warehouse"},
    "rest": {
        "at_most_once",
        "conditions",
        "extract",
        "faults",
        "imports",
        "listings",
        "marketo_assets",
        "streams",
        "survive",
    },
    "celery": {"celery"},
}
"""
Folders of ``tests`` that do not depend on the line of Airflow: some depend on Python's version, the rest on neither.

The rest reach Airflow only through code that other folders test. The part ``celery`` runs only if it is named. The part
``line`` is everything that is not listed here.
"""

CELERY = "celery"
"""The part that makes hosts of its own, which needs root and takes a quarter of an hour."""

DOCS = HERE / "build" / "docs"
MADE = (".venv*", ".demo", "build", "dist", ".*_cache", ".hypothesis", ".coverage*")
"""What the commands create in the project's folder, as patterns."""

INTERRUPTED = 130


class DevError(RuntimeError):
    """Something that the user can fix; the message says how."""


class Environment:
    """
    A virtual environment with one pinned set of packages.

    :param folder: folder of the environment; it is created if it does not exist.
    :param lock: name of the file in ``requirements`` that lists its packages.
    :param interpreter: the Python that it is made of.
    """

    def __init__(
        self, folder: Path, lock: str = f"airflow-{DEVELOPMENT_LINE}", interpreter: str = sys.executable
    ) -> None:
        self.folder = folder
        self.interpreter = interpreter
        self.lock = HERE / "requirements" / f"{lock}.txt"
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        self._stamp = folder / ".installed"

    def ensure(self, *, project: bool = True) -> None:
        """
        Install the pinned set and this project, editable, unless nothing changed since the last time.

        :param project: whether this project is also installed.
        :raises DevError: Python cannot create virtual environments, or pip cannot install the packages.
        """
        wanted = self._fingerprint()
        if self._stamp.exists() and self._stamp.read_text() == wanted:
            return
        self.create()
        # The set is complete. Without --no-deps, older versions of pip replace packages that are pinned with an extra.
        pinned = ("--no-deps", "--require-hashes", "-r", self.lock)
        self.install(f"installing {self.lock.relative_to(HERE)} (a minute or two without uv)", *pinned)
        if project:
            self.install("installing the provider itself", "--no-deps", "--no-build-isolation", "-e", HERE)
        self._stamp.write_text(wanted)

    def create(self) -> None:
        """Create the environment, without packages."""
        if importlib.util.find_spec("ensurepip") is None:
            version = "{}.{}".format(*sys.version_info)
            raise DevError(
                "This Python cannot create virtual environments: its ensurepip module is missing.\n"
                f"On Debian and Ubuntu: apt-get install python{version}-venv"
            )
        with stage(f"creating {self.folder.name}"):
            subprocess.run([self.interpreter, "-m", "venv", str(self.folder)], check=True)

    def install(self, what: str, *arguments: object) -> None:
        """
        Install packages: with uv, in half a minute, if it is on the PATH and knows the registry, otherwise with pip.

        :param what: what happens, for the person who waits.
        :param arguments: arguments of ``pip install`` that uv also has.
        :raises DevError: pip failed.
        """
        if _runs("uv", "--version"):
            # As pip does. Otherwise each process of the tests compiles what it imports, all at the same time.
            command = ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", self.python, *arguments]
            with stage(f"{what}, with uv"):
                uv = subprocess.run([str(part) for part in command], capture_output=True, cwd=HERE, check=False)
            if uv.returncode == 0:
                return
            print("-- uv could not do it; it does not read pip's configuration, so pip may be able to")
        self._pip(what, *arguments)

    def _pip(self, what: str, *arguments: object) -> None:
        command = [self.python, "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check", *arguments]
        with stage(what):
            pip = subprocess.run(
                [str(part) for part in command], stderr=subprocess.PIPE, text=True, cwd=HERE, check=False
            )
        if pip.returncode == 0:
            return
        said = pip.stderr.strip().splitlines()
        errors = [line for line in said if line.startswith("ERROR")] or said[-12:]
        offline = any(sign in pip.stderr for sign in ("No matching distribution", "ConnectionError", "NewConnection"))
        remedy = [
            "pip could not reach a package registry. Check the network, or name yours (PIP_INDEX_URL, pip config)."
        ]
        raise DevError("\n".join([f"pip failed while {what}:", *errors, *(remedy if offline else [])]))

    def run(self, *command: object) -> None:
        """
        Run a program of this environment from the project's folder.

        :param command: the program's name and its arguments.
        :raises DevError: the program failed.
        """
        done = subprocess.run([str(self.bin / str(command[0])), *map(str, command[1:])], cwd=HERE, check=False)
        if done.returncode != 0:
            raise DevError(f"{' '.join(map(str, command))} failed")

    def become(self, *command: object) -> None:
        """Replace this program with ``python -m ...`` of this environment, which then gets its signals."""
        os.chdir(HERE)
        arguments = [str(self.python), "-m", *map(str, command)]
        sys.stdout.flush()
        os.execv(arguments[0], arguments)

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(sys.version.encode())
        for file in (self.lock, HERE / "pyproject.toml", HERE / "airflow_provider_marketo" / "__init__.py"):
            digest.update(file.read_bytes())
        return digest.hexdigest()


def demo(arguments: argparse.Namespace) -> None:
    """Let a real Airflow extract 100,000 activities and 50,000 leads, and load an instance's tables into DuckDB."""
    _development().become("tools.demo", *(["--keep"] if arguments.keep else []))


def test(arguments: argparse.Namespace) -> None:
    """Run the tests; pytest gets all other arguments."""
    parallel = ["-n", str(BUSY_WORKERS if arguments.all else TEST_WORKERS), "--dist", "loadgroup"]
    selected = [] if arguments.all else ["-m", "not airflow and not slow"]
    services = ["--services"] if arguments.services else []
    services += ["--celery"] if CELERY in arguments.part else []
    paths = [path for part in arguments.part for path in _tests_of(part)]
    if arguments.previews:
        environment = Environment(HERE / ".venv-previews", "previews")
        environment.ensure()
        _find_bigquery_emulator()
        environment.become("pytest", "-m", "previews", "--previews", *arguments.pytest, "tests/warehouse")
    _environment(arguments.airflow).become("pytest", *parallel, *selected, *services, *arguments.pytest, *paths)


def _find_bigquery_emulator() -> None:
    """Install the emulator of BigQuery, which needs a newer Python than the tests on Airflow's newest line."""
    candidates = (f"python{BIGQUERY_PYTHON}", *_pyenv(BIGQUERY_PYTHON))
    python = next((each for each in candidates if _runs(each, "-c", "")), None)
    if python is None:
        print(f"The tests of BigQuery are left out: its emulator needs Python {BIGQUERY_PYTHON}")
        return
    emulator = Environment(HERE / ".venv-bigquery", "bigquery", python)
    emulator.ensure(project=False)
    os.environ["MARKETO_BIGQUERY_EMULATOR"] = str(emulator.python)


def _pyenv(version: str) -> list[str]:
    """Return pyenv's interpreter of a version. pyenv has shims even of versions that it refuses to run."""
    if shutil.which("pyenv") is None:
        return []
    found = subprocess.run(["pyenv", "prefix", version], capture_output=True, text=True, check=False).stdout.strip()
    return [f"{found}/bin/python{version}"] if found else []


def _runs(*command: str) -> bool:
    """Return whether a program runs. pyenv has shims even of programs that it refuses to run."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def survive(arguments: argparse.Namespace) -> None:
    """Run tasks under faults that seeds choose, and compare what they leave behind with what Marketo holds."""
    seed = [] if arguments.seed is None else ["--seed", arguments.seed]
    what = ["--runs", arguments.runs]
    if arguments.kills is not None:
        what = ["--kills", arguments.kills, "--executor", arguments.executor]
    _development().become("tests.survive", *what, *seed)


def mutate(arguments: argparse.Namespace) -> None:
    """Change a module on purpose, one place at a time, and check that its tests notice."""
    seed = [] if arguments.seed is None else ["--seed", arguments.seed]
    _development().become("tools.mutate", "--module", arguments.module, "--sample", arguments.sample, *seed)


def coverage(arguments: argparse.Namespace) -> None:
    """Run the tests that need only Python, also slow ones; fail if they run too little code (floor: pyproject.toml)."""
    parallel = ["-n", str(BUSY_WORKERS), "--dist", "loadgroup"]
    _development().become("pytest", *parallel, "-m", "not airflow", "--cov", "--cov-report=term:skip-covered")


def lint(arguments: argparse.Namespace) -> None:
    """Check rules and format (ruff), the imports between folders, and spelling."""
    environment = _development()
    environment.run("ruff", "check", ".")
    environment.run("ruff", "format", "--check", ".")
    environment.run("lint-imports", "--no-cache", "--no-logo")
    environment.run("codespell")


def types(arguments: argparse.Namespace) -> None:
    """Check types with mypy: strict, a little less so in tests."""
    _development().run("mypy")


def docs(arguments: argparse.Namespace) -> None:
    """Build the documentation as a site in build/docs and check its links; a warning is an error."""
    environment = _development()
    shutil.rmtree(DOCS, ignore_errors=True)
    environment.run("sphinx-build", "-q", "-W", "--keep-going", "-E", "docs", DOCS)
    environment.run("python", "-m", "tools.documentation.check", DOCS)
    print(f"Ready: {DOCS / 'index.html'}")


def build(arguments: argparse.Namespace) -> None:
    """Build wheel and sdist; install as README says, then the wheel, and check that Airflow shows each."""
    environment = _development()
    shutil.rmtree(HERE / "dist", ignore_errors=True)
    environment.run("python", "-m", "build", "--no-isolation", "--outdir", "dist", HERE)
    (wheel,) = (HERE / "dist").glob("*.whl")
    with tempfile.TemporaryDirectory(prefix="marketo-wheel-") as folder:
        clean = Environment(Path(folder) / "venv", f"airflow-{arguments.airflow}")
        with stage(f"installing a clone and Airflow {arguments.airflow}, as README says (a minute or two)"):
            _install_as_readme_says(Path(folder), arguments.airflow)
        clean.run("python", HERE / "tools" / "check_installed.py")
        clean.install(f"installing {wheel.name} instead", "--no-deps", "--force-reinstall", wheel)
        clean.run("python", HERE / "tools" / "check_installed.py")


def install(arguments: argparse.Namespace) -> None:
    """Create only the virtual environment."""
    environment = _environment(arguments.airflow)
    print(f"Ready: {environment.python}")


def clean(arguments: argparse.Namespace) -> None:
    """Remove the virtual environments, what was built, and the caches."""
    for pattern in MADE:
        for path in HERE.glob(pattern):
            with stage(f"removing {path.name}"):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def main() -> int:
    """Run a command; return the exit code."""
    if sys.version_info < OLDEST_PYTHON or os.name == "nt":
        needed = "Python {}.{} or newer".format(*OLDEST_PYTHON)
        print(f"dev.py needs {needed} on Linux, macOS or WSL, as Airflow does.", file=sys.stderr)
        return 2
    # Tests start many interpreters. Without bytecode, each would compile the whole package again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = _parser()
    arguments, rest = parser.parse_known_args()
    arguments.pytest = rest
    if arguments.pytest and arguments.command is not test:
        parser.error(f"unrecognized arguments: {' '.join(arguments.pytest)}")
    try:
        arguments.command(arguments)
    except DevError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (demo, test, survive, mutate, coverage, lint, types, docs, build, install, clean):
        one = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        one.set_defaults(command=command)
        if command is demo:
            one.add_argument("--keep", action="store_true", help="leave the UI open at the end and print its address")
        if command is test:
            one.add_argument("--all", action="store_true", help="also slow tests and those that start a real Airflow")
            one.add_argument("--services", action="store_true", help="also tests that need servers, which are started")
            one.add_argument(
                "--previews", action="store_true", help="only the tests of preview warehouses, with their emulators"
            )
            one.add_argument(
                "--part",
                choices=("line", *PARTS),
                action="append",
                default=[],
                help="only tests that depend on this; may be repeated",
            )
        if command is survive:
            one.add_argument("--runs", default="200", help="how many runs; default 200")
            one.add_argument("--kills", help="kill a real Airflow's tasks and components instead, N times")
            one.add_argument("--executor", choices=("local", "celery"), default="local", help="that Airflow's executor")
            one.add_argument(
                "--seed", help="seed of the first run, to replay it; the others follow. Default: a fresh one"
            )
        if command is mutate:
            one.add_argument("--module", required=True, help="path in the package without .py, such as client/paging")
            one.add_argument("--sample", default="10", help="how many changes; default 10")
            one.add_argument("--seed", help="chooses the changes. Default: a fresh one, which is printed")
        if command in (test, install, build):
            one.add_argument("--airflow", choices=AIRFLOW_LINES, default=DEVELOPMENT_LINE, help="which line of Airflow")
    return parser


def _environment(line: str) -> Environment:
    python = "py{}.{}".format(*sys.version_info)
    name = ".venv" if line == DEVELOPMENT_LINE else f".venv-{line}-{python}"
    environment = Environment(HERE / name, f"airflow-{line}")
    environment.ensure()
    return environment


def _tests_of(part: str) -> list[Path]:
    """Return the folders and files of a part of the tests."""
    tests = HERE / "tests"
    if part in PARTS:
        return [tests / name for name in sorted(PARTS[part])]
    found = {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")}
    return [tests / name for name in sorted(found.difference(*PARTS.values()))]


def _development() -> Environment:
    return _environment(DEVELOPMENT_LINE)


def _install_as_readme_says(folder: Path, line: str) -> None:
    """Run README's commands in a folder: clone this working copy, create an environment, install into it."""
    page = readme.read()
    commands = readme.clone(page) + readme.steps(page)["Install"].code
    commands = commands.replace("~/marketo-try", str(folder)).replace(DEVELOPMENT_LINE, line)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        ["bash", "-ec", commands],
        cwd=folder,
        env={**os.environ, **readme.environment(), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise DevError(f"README's installation failed:\n{commands}\n{said}")


if __name__ == "__main__":
    sys.exit(main())
