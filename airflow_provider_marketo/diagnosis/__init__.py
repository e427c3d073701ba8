"""Checks of an installation (``airflow marketo doctor``) and of a Marketo instance (``airflow marketo verify``)."""
