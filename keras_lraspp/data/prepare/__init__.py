"""Data sets made ready for training from what can be downloaded."""
