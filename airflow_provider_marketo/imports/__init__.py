"""Import rows into Marketo: read them once, check, stage and send them, and account for each row."""
