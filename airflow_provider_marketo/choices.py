"""
The closed sets of values that arguments take, as types: an editor completes them, and a wrong one is an import error.

A DAG file that is only parsed reads this module, so it imports nothing. Tests hold each set against the table behind
it.
"""

from __future__ import annotations

from typing import Literal

BulkObject = Literal["leads", "activities", "program_members", "custom_objects"]
FileFormat = Literal["parquet", "jsonl", "csv"]
AttributesForm = Literal["map", "json", "typed"]
WindowOrder = Literal["oldest_first", "newest_first"]
OnSchemaChange = Literal["evolve", "fail"]
OnTypeError = Literal["null", "string", "fail"]
OnQuotaExhausted = Literal["defer", "fail"]
OnGap = Literal["fail", "skip"]
AssetState = Literal["approved", "draft", "deleted"]
LeadsMode = Literal["auto", "updated_at", "change_feed", "snapshot"]
