"""The optional cluster policy that puts every Marketo task into the pool of its connection."""

from __future__ import annotations

POOLS_VARIABLE = "marketo_pools"
"""Variable in which ``airflow marketo setup`` leaves the pools it has made, name to slots."""
