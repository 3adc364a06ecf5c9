"""MediaPipe's two face networks, run by ONNX Runtime: one finds faces, the other the points of a face."""
