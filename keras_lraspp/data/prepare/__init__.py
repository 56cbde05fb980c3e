"""Preparation of downloaded data sets for training."""
