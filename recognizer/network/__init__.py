"""The Dual-ATME network: its ONNX file and metadata, the session that runs it, its attention."""
