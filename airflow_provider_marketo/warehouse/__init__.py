"""Load published files into tables of a database. Experimental: names and columns may still change."""
