"""The contract with Adobe's OpenAPI files: collected where ``MARKETO_OPENAPI`` names the folder that holds them."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("MARKETO_OPENAPI") else ["test_*.py"]
