"""Speed and memory, each beside a reference in the same run; see ``python -m benchmarks --help``."""
