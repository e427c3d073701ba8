"""Operators: what DAG authors import. Each module holds signatures and imports its work when a task runs."""
