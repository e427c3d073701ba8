"""From an Airflow connection to a client of Marketo's API, with the limits and the quota that its tasks share."""
