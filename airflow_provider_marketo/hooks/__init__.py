"""Make a client of Marketo's API from an Airflow connection, with the limits and the quota that its tasks share."""
