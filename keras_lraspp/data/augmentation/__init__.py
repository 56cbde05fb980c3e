"""Augmentation of images and labels, eagerly and inside tf.data."""
