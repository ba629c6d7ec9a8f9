"""Bytes of the protocol between nodes and between client and daemon: pure, no sockets."""
