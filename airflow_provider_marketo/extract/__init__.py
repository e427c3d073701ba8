"""Run bulk extracts: the layer between the operators and the client."""
