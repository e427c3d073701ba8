"""Operators that move rows from another system into Marketo."""
