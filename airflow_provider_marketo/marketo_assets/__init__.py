"""Marketo assets: find, make, change and list them, so that doing it twice ends in the same state."""
