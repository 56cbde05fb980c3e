"""Page in the browser that segments pictures, videos and the camera with ONNX."""
