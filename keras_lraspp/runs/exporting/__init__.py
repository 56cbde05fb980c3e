"""What `export` is made of: the formats, and the making and proving of each."""
