"""Files of a training run: folder and lock, checkpoints, best model, record, log."""
