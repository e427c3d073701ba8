"""``airflow marketo setup``: the pools that limit how many tasks use Marketo at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from airflow_provider_marketo.airflow_compat import (
    Pool,
    Variable,
    action_cli,
    create_session,
    providers_configuration_loaded,
)
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.hooks.known_connections import read_settings
from airflow_provider_marketo.hooks.pools import PlannedPool, plan_pools
from airflow_provider_marketo.policy import POOLS_VARIABLE

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence


@action_cli(check_db=False)
@providers_configuration_loaded
def setup(args: Namespace) -> None:
    """Create or update the pools of the Marketo connections, or write them to ``pools.json``."""
    try:
        pools = plan_pools(read_settings(args.conn_id))
    except MarketoError as error:
        raise SystemExit(f"airflow marketo setup: {error}") from None
    wanted = [pool for pool in pools if not args.conn_id or set(args.conn_id) & set(pool.conn_ids)]
    for pool in wanted:
        if pool.advice:
            print(f"Note: {pool.advice}", file=sys.stderr)
    if args.print_to is not None:
        _write(wanted, args.print_to)
    else:
        for pool in wanted:
            print(_apply(pool))
            print(
                f"Give every Marketo task pool={pool.name!r}: a task without it also runs, but not within its limit.",
                file=sys.stderr,
            )
        _store_marker(wanted)


def _apply(pool: PlannedPool) -> str:
    """Create or update a pool and return what was changed."""
    connections = f"connection{'s' if len(pool.conn_ids) > 1 else ''} {', '.join(pool.conn_ids)}"
    with create_session() as session:
        existing = session.scalar(select(Pool).where(Pool.pool == pool.name))
        before = existing.slots if existing else None
        if existing is None:
            said = f"created with {_slots(pool.slots)}"
        elif (before, existing.include_deferred) == (pool.slots, False):
            return f"Pool {pool.name}: unchanged with {_slots(pool.slots)} ({connections})"
        elif before == pool.slots:
            said = f"keeps {_slots(pool.slots)} and no longer counts deferred tasks"
        else:
            said = f"changed from {before} to {_slots(pool.slots)}"
        if existing is None:
            session.add(Pool(pool=pool.name, slots=pool.slots, description=pool.description, include_deferred=False))
        else:
            existing.slots, existing.include_deferred = pool.slots, False
            existing.description = pool.description
    return f"Pool {pool.name}: {said} ({connections})"


def _slots(number: int) -> str:
    return counted(number, "slot")


def _store_marker(pools: Sequence[PlannedPool]) -> None:
    """Store the pools of the connections for the cluster policy, which cannot see pools."""
    with create_session() as session:
        marker = session.scalar(select(Variable).where(Variable.key == POOLS_VARIABLE))
        known = json.loads(marker.val or "{}") if marker else {}
        known |= _marker(pools)
        Variable.set(
            POOLS_VARIABLE,
            known,
            description="Pools of the Marketo connections, stored by `airflow marketo setup` for the cluster policy.",
            serialize_json=True,
            session=session,
        )


def _write(pools: Sequence[PlannedPool], target: str) -> None:
    document = {
        pool.name: {"slots": pool.slots, "description": pool.description, "include_deferred": False} for pool in pools
    }
    text = json.dumps(document, indent=2) + "\n"
    if target == "-":
        print(text, end="")
    else:
        Path(target).write_text(text)
        print(f"Wrote {target} and changed no pool. Import it with: airflow pools import {target}", file=sys.stderr)
    marker = json.dumps(_marker(pools))
    print(
        f"If [marketo] enforce_pool is on, also run: airflow variables set {POOLS_VARIABLE} '{marker}'",
        file=sys.stderr,
    )


def _marker(pools: Sequence[PlannedPool]) -> dict[str, str]:
    return {conn_id: pool.name for pool in pools for conn_id in pool.conn_ids}
