"""Play policies on the same worlds, and say how sure the differences are."""
