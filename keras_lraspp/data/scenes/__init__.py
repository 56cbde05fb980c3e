"""Street scenes that the package draws itself: the embedded default data set.

Names are loaded when first asked for: the processes that draw need no data set.
"""

import importlib

__all__ = ["Scene", "SceneObject", "Scenes", "draw_scene", "draw_scenes"]

_HOME = {
    "Scene": "scene",
    "SceneObject": "picture.canvas",
    "Scenes": "generate",
    "draw_scene": "scene",
    "draw_scenes": "generate",
}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
