"""Find, make, change and list Marketo assets. A repeated task leaves the same state."""
