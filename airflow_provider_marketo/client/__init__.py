"""Marketo's REST API in plain Python, without Airflow."""
