"""
Temporary files of the tests in memory.

Tests write thousands of files through to the disk and remove them. On a busy disk this takes longer than the tests'
own work.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
"""The folder in which Linux keeps files in memory."""

ROOM = 4 << 30
"""Bytes that must be free in that folder, and in the memory of the machine."""


def keep_temporary_files_in_memory() -> None:
    """Keep temporary files in memory if there is room, unless ``TMPDIR`` names a place. Child processes inherit it."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) >= ROOM:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None
