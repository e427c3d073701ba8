"""Triggers: they wait in the triggerer instead of a task."""
