"""Rows into Marketo: read once, checked, staged, sent, and each of them accounted for."""
