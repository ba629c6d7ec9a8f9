"""Who vouches for a model, and whom a node believes."""
