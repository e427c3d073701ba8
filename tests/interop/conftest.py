"""Clients of other people: collected where ``MARKETO_CLIENTS`` names a folder with their virtual environments."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("MARKETO_CLIENTS") else ["test_*.py"]
