"""Tells others over MQTT how this node is and what it found; the mesh itself works without a broker."""
