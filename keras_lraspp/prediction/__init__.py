"""What `predict` is made of: files in, pictures and videos out."""
