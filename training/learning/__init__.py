"""Networks that learn: the engine that trains many at once, pre-training, weights, and export to ONNX."""
