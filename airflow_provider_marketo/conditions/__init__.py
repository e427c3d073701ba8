"""The conditions that sensors wait for. One call to Marketo can answer many of them."""
