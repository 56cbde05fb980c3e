"""A process that does jobs for `crew`: started as a script, never imported.

It takes its orders as one JSON line on standard input and answers with one line for
each job. It imports this package's modules without the parent packages' own
`__init__`, so it starts in a fraction of a second where importing Keras takes several.
"""

import json
import signal
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def _skip_package_imports() -> None:
    folders = {"keras_lraspp": _PACKAGE, "keras_lraspp.data": _PACKAGE / "data"}
    for name, folder in folders.items():
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations.append(str(folder))
        sys.modules[name] = module_from_spec(spec)


def main() -> int:
    """Does what it is told; returns the exit code."""
    orders = json.loads(sys.stdin.readline())
    # The parent's path: its NumPy and Pillow, and not this file's folder.
    sys.path[:] = orders["path"]
    # Ctrl-C reaches the whole group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Answers go out alone, whatever else prints.
    answers, sys.stdout = sys.stdout, sys.stderr
    _skip_package_imports()
    from keras_lraspp.data.crew import find_task
    from keras_lraspp.errors import InputError

    def answer(**fields) -> None:
        # If the parent died, this raises and so ends the worker.
        print(json.dumps(fields), file=answers, flush=True)

    function = find_task(orders["task"])
    for index, job in orders["jobs"]:
        try:
            result = function(orders["settings"], job)
        except InputError as error:
            answer(error=str(error), kind="InputError")
            return error.exit_code
        except OSError as error:
            answer(error=str(error), kind="StorageError")
            return 3
        answer(job=index, result=result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
