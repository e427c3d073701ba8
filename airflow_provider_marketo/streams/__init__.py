"""Marketo's paging token feeds, read run by run: above the client, below the operators."""
