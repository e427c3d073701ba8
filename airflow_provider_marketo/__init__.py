"""Apache Airflow provider for Adobe Marketo Engage."""

__version__ = "0.1.0"
