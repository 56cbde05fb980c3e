"""Procedural renderer of labelled street scenes with the 19 classes of Cityscapes.

Needs NumPy and Pillow only. `draw_scene` draws one picture with its labels:

    plan the street -> place what stands and moves on it -> paint it onto a canvas,
    near things over far ones -> texture, light and photograph the canvas
"""

from keras_lraspp.street_scenes.canvas import SceneObject
from keras_lraspp.street_scenes.scene import Scene, draw_scene

__all__ = ["Scene", "SceneObject", "draw_scene"]
