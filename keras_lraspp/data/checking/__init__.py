"""Data sets looked at before training: the check, and the data doctor."""
