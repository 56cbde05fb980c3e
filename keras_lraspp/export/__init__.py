"""Models for other runtimes; each export takes any Keras model."""
