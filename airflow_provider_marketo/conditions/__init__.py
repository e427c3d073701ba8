"""What sensors wait for: conditions. One call asks many of them."""
