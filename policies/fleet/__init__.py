"""Thousands of homes under the same policies: not how good one is on average, but to whom it does good."""
