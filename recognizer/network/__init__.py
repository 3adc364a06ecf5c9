"""The Dual-ATME network: its ONNX file, what runs it, what it says of itself, where it attends."""
