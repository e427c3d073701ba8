"""A bulk extract from the author's request to the manifest: above the client, below the operator."""
