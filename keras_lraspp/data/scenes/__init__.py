"""Street scenes that the package draws itself: the embedded default data set.

Names are loaded when first asked for: the processes that draw need no data set.
"""

import importlib

__all__ = ["Scene", "SceneObject", "Scenes", "draw_scene", "draw_scenes"]

_HOME = {
    "Scene": "keras_lraspp.street_scenes",
    "SceneObject": "keras_lraspp.street_scenes",
    "Scenes": "keras_lraspp.data.scenes.generate",
    "draw_scene": "keras_lraspp.street_scenes",
    "draw_scenes": "keras_lraspp.data.scenes.generate",
}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
