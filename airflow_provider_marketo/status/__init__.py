"""
What Airflow's own database knows about Marketo: the facts of the page and of ``airflow marketo status``.

Nothing here calls Marketo or reads a connection's secret.
"""
