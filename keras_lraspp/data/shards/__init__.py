"""Data sets written once as a few large files, which are read fast and in any order."""
