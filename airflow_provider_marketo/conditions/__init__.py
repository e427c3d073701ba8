"""What sensors wait for, as conditions that many of them can ask in one call: above the client, below the sensors."""
