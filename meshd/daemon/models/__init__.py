"""Models of the running node: which it knows and hosts, and how they come, travel and go."""
