"""Shards: data sets written as a few large files, read fast and in any order."""
