"""Whatever a person has becomes one self-contained file, ONNX or LiteRT: one reader for each kind of source."""
