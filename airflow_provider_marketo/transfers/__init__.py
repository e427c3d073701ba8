"""Operators that move rows between databases and Marketo."""
