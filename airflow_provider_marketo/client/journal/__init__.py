"""The journal of Adobe I/O Events, in plain Python: events of Marketo that cost no REST calls (experimental)."""
