"""Read Marketo's paging token feeds, one span per run: the layer between the operators and the client."""
