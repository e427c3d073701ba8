"""The columns that say where a row of a journal's stream comes from, and what its event was."""

from __future__ import annotations

SOURCE, RAW = "_source", "_raw"
"""The columns: where a row comes from, and on request the JSON of its event."""

JOURNAL, EXTRACT = "journal", "extract"
"""Values of the first column. A table without this column holds extracted rows."""
