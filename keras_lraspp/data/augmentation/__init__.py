"""What training does to images and labels, eagerly and inside tf.data."""
