"""Loss, optimizer, schedule, metrics, checkpoints and what watches over a run."""
