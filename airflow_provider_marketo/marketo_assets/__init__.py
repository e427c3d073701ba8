"""Marketo assets: found, made, changed and listed so that doing it twice ends in the same state."""
