"""Model families that ship with the registry."""
