"""What `evaluate` is made of: who is scored, on what, and how it is told."""
