"""Airflow assets, outlets and OpenLineage datasets."""
