"""How long the page *Marketo* takes to read its data in a large installation, beside a read of its Variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow import models, settings
from airflow.models.base import Base
from airflow.models.crypto import get_fernet
from airflow.models.variable import Variable
from airflow.utils.session import create_session
from cryptography.fernet import Fernet
from sqlalchemy import insert, select

from airflow_provider_marketo.at_most_once.entries import CLAIM, SENDING, Entry
from airflow_provider_marketo.at_most_once.entries import SETTLED as IS_SETTLED
from airflow_provider_marketo.hooks.quota import Quota
from airflow_provider_marketo.hooks.usage_history import UsageDay, UsageHistory
from airflow_provider_marketo.status.facts import collect
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = 5
"""Times as long as the reference, which reads one table. The page reads eight and makes objects of their rows."""

SETTLED, WAITING, CONNECTIONS, STREAMS = 3_000, 5, 20, 200


def measure(repeats: int) -> Iterator[Row]:
    """
    Measure in an interpreter of its own, whose Airflow has a database of its own and a Fernet key.

    :param repeats: how many pairs; the fastest of each kind counts.
    """
    with tempfile.TemporaryDirectory(prefix="marketo-page-") as home:
        environment = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode()}
        command = [sys.executable, "-m", "benchmarks.page", str(repeats)]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[1]
        )
    page, reference = json.loads(done.stdout.splitlines()[-1])
    yield Row(
        "the page's data",
        f"{SETTLED:,} settled entries, {CONNECTIONS} connections, {STREAMS} streams",
        f"{page * 1e3:.0f} ms",
        f"times the read of the {len(shown())} Variables that it shows: {reference * 1e3:.0f} ms",
        page / reference,
        TARGET,
        at_most=True,
    )


def shown() -> dict[str, str]:
    """Return the Variables that the page shows."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    moment = now.isoformat()
    quota = Quota(
        instance="123-ABC-456", day=moment[:10], quota=50_000, used=400, reserve=100, export_quota_bytes=500_000_000,
        exported_bytes=120_000_000, measured_at=moment, exports_measured_at=moment,
        resets_at=(now + timedelta(hours=9)).isoformat(),
    )  # fmt: skip
    days = tuple(
        UsageDay(f"2026-01-{day:02}", 400, 300, {"daily": 200, "hourly": 50}, {"user-1": 100}) for day in range(1, 8)
    )
    usage = UsageHistory(
        instance="123-ABC-456", measured_at=moment, days=days, pool="marketo", coordination="host", reason="", errors={}
    )
    rows = {f"marketo_quota_c{number}": json.dumps(quota.to_dict()) for number in range(CONNECTIONS)}
    rows |= {f"marketo_usage_c{number}": json.dumps(usage.to_dict()) for number in range(CONNECTIONS)}
    position = json.dumps({"time": moment, "pages": {}})
    rows |= {f"marketo_position_s{number}": position for number in range(STREAMS)}
    return rows | {_key(number): _entry(number, SENDING) for number in range(WAITING)}


def hidden() -> dict[str, str]:
    """Return the Variables that the page does not show."""
    claims = {_key(number) + CLAIM: "a process" for number in range(WAITING)}
    return claims | {_key(number): _entry(number, IS_SETTLED) for number in range(WAITING, WAITING + SETTLED)}


def _key(number: int) -> str:
    return f"marketo_once_{number:040}"


def _entry(number: int, state: str) -> str:
    facts: dict[str, Any] = {
        "state": state, "owner": "a process", "instance": "123-ABC-456", "operation": "campaigns.request",
        "what": f"campaign {number} for 10 leads", "dag_id": "send", "task_id": "trigger", "run_id": "a run",
        "map_index": -1, "generation": 0, "since": "2026-01-15T12:00:00+00:00", "reason": "the answer was lost",
    }  # fmt: skip
    return Entry(**facts).to_json()


def main(repeats: int) -> None:
    """Fill the database of this interpreter's Airflow, and print the seconds of the page and of the reference."""
    models.import_all_models()  # type: ignore[no-untyped-call]
    Base.metadata.create_all(settings.engine)
    fernet, visible = get_fernet(), shown()
    rows = [
        {"key": key, "_val": fernet.encrypt(text.encode()).decode(), "is_encrypted": True}
        for key, text in {**visible, **hidden()}.items()
    ]
    with create_session() as session:
        session.execute(insert(Variable), rows)
        session.commit()

        def page() -> None:
            found = collect(session)
            assert len(found["fresh"]["streams"]) == STREAMS, found

        def reference() -> None:
            found = session.scalars(select(Variable).where(Variable.key.in_(visible)))
            assert len([json.loads(variable.val) for variable in found]) == len(visible)

        def seconds(run: Any) -> float:
            session.expunge_all()
            start = time.perf_counter()
            run()
            return time.perf_counter() - start

        pairs = [(seconds(page), seconds(reference)) for _ in range(10 * repeats)]
        print(json.dumps([min(column) for column in zip(*pairs, strict=True)]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
