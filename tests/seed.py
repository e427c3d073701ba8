"""The days that generated data spans in tests, so that expected rows do not depend on today."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

DATES: Mapping[str, Any] = {"leads_since": date(2024, 3, 12), "start": date(2026, 1, 1), "end": date(2026, 3, 12)}
