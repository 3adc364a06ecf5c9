"""MediaPipe's two face networks, run by ONNX Runtime: one finds faces, the other a face's points."""
