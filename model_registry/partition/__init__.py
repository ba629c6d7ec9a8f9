"""Finds where a model may be cut, proves it, and writes that into its bundle: `meshd models split`."""
