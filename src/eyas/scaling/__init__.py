"""Scaling laws: from a table of runs to a law, its uncertainty, and a prediction that can be held to account."""
