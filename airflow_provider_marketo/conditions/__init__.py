"""What sensors wait for: conditions, of which many are asked in one call."""
