"""The runs behind the doors: train, evaluate, predict and export."""
