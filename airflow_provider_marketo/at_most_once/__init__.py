"""Requests that must not run twice: the ledger of what was sent, its stores, and how to check in Marketo."""
