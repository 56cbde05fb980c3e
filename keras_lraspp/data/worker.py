"""A process that draws scenes: started as a script, never imported.

It takes its orders as one JSON line on standard input and answers with one line for
each scene. It imports this package's drawing code without the parent packages' own
`__init__`, so it starts in a fraction of a second where importing Keras takes several.
"""

import json
import signal
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def _skip_package_imports() -> None:
    folders = {"keras_lraspp": _PACKAGE, "keras_lraspp.data": _PACKAGE / "data"}
    for name, folder in folders.items():
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations.append(str(folder))
        sys.modules[name] = module_from_spec(spec)


def main() -> int:
    """Draws what it is told; returns the exit code."""
    orders = json.loads(sys.stdin.readline())
    # The parent's path: its NumPy and Pillow, and not this file's folder.
    sys.path[:] = orders["path"]
    # Ctrl-C reaches the whole group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _skip_package_imports()
    from keras_lraspp.data.scenes.manifest import Settings
    from keras_lraspp.data.scenes.tree import Job, write_scene

    settings = Settings(**orders["settings"])
    for split, index in orders["jobs"]:
        try:
            write_scene(Path(orders["root"]), settings, Job(split, index))
        except OSError as error:
            print(json.dumps({"error": str(error)}), flush=True)
            return 3
        # If the parent died, this raises and so ends the worker.
        print(json.dumps({"drawn": [split, index]}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
