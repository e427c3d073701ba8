"""A bulk extract from the author's request to the manifest. What is Marketo's lies in ``client``, what is Airflow's in the operator."""
