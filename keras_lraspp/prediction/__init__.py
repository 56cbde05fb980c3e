"""Prediction: image files and videos in; labels, pictures and videos out."""
