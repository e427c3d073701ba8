"""Marketo's limits. They belong to the instance: all integrations and users share them."""

from __future__ import annotations

CALLS = 100
"""Calls in :data:`WINDOW`."""

WINDOW = 20.0
"""Seconds over which Marketo counts calls."""

PARALLEL = 10
"""Calls at once."""

DAILY_CALLS = 50_000
"""Calls a day, unless the contract with Adobe says otherwise."""

DAILY_EXPORT_MB = 500
"""Megabytes of bulk export a day, unless the contract with Adobe says otherwise."""

QUEUED_JOBS = 10
"""Jobs in each of the two queues, for exports and for imports, running ones included."""

RUNNING_JOBS = 2
"""Jobs of a queue that Marketo works on at once."""

OUR_CALLS = 90
"""Calls in :data:`WINDOW` that we make unless the connection says otherwise. The rest is left to other integrations."""

OUR_PARALLEL = 8
"""Calls at once that we make unless the connection says otherwise."""
