"""Data sets as they lie on disk, each a reader."""
