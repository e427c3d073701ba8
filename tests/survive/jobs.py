"""The jobs that a seed chooses from."""

from __future__ import annotations

from tests.survive.job import Job
from tests.survive.loading import Load
from tests.survive.reading import Extract, Listing, Stream
from tests.survive.sending import BulkImport, Campaign, Clone, CustomActivities, Erase, Mirror, Sync

JOBS: tuple[type[Job], ...] = (
    Extract,
    Extract,
    Stream,
    Listing,
    Load,
    Sync,
    BulkImport,
    Mirror,
    Campaign,
    CustomActivities,
    Clone,
    Erase,
)
"""Extracts have the most steps and come twice."""
