"""Evaluation on whole splits of data sets: scores, comparisons, submissions."""
