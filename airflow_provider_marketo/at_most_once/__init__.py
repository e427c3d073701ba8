"""Requests that must not run twice: the ledger of sent requests, its stores, and how to check in Marketo."""
