"""The commands of ``airflow marketo``."""
