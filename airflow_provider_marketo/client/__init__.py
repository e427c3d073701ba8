"""Marketo's REST API in plain Python. Nothing in here knows that Airflow exists."""
