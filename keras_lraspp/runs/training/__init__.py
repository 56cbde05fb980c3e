"""What `train` is made of, from its recipe to the report that it keeps."""
