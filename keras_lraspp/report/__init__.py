"""HTML report of a training run: curves, scores by class, example images."""
