"""What `benchmark` is made of: each file timed in a process of its own."""
