"""The only place that touches onnxruntime and LiteRT: bytes become a session, whatever the format."""
