"""From metres to pixels: camera, light, canvas, and the developed photograph."""
