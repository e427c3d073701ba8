"""Bulk export jobs: what can be exported, in which windows, and how a job is created, followed and fetched."""
