"""
``python -m tools.constraints``: write ``constraints/airflow-*.txt``, the versions with which each line was tested.

Users give pip such a file with ``-c``. The locks in ``requirements`` have the same versions, with hashes and extras,
which pip accepts in no constraints file.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "constraints"
_PINNED = re.compile(r"^(?P<name>[\w.-]+)(?:\[[\w,.-]+\])?(?P<version>==[^\\\n]*?)\s*\\?$", re.MULTILINE)


def constraints(line: str) -> str:
    """
    Return the constraints file of a line of Airflow.

    :param line: the line, such as "3.3".
    """
    lock = (ROOT / "requirements" / f"airflow-{line}.txt").read_text()
    return "".join(f"{pinned['name']}{pinned['version']}\n" for pinned in _PINNED.finditer(lock))


def lines() -> list[str]:
    """Return the lines of Airflow that have a lock, the oldest first."""
    return sorted(lock.stem.removeprefix("airflow-") for lock in (ROOT / "requirements").glob("airflow-*.txt"))


def main() -> None:
    """Write the file of each line."""
    FOLDER.mkdir(exist_ok=True)
    for line in lines():
        (FOLDER / f"airflow-{line}.txt").write_text(constraints(line))


if __name__ == "__main__":
    main()
