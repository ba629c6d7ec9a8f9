"""From a family and a seed to one world."""
