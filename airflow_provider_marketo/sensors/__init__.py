"""Sensors: tasks that wait for a condition in Marketo."""
