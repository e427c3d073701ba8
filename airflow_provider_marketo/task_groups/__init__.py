"""Task groups: several tasks that belong together, in one line of a DAG file."""
