"""Whether a run gets all its arguments, and of the right type, before it starts."""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping

from keras_lraspp.errors import InputError

# What a literal in a configuration can be; references are checked by what they call.
_LITERALS = (bool, int, float, str, list, tuple, dict, type(None))


def check_arguments(
    run: Callable, flags: Iterable[str], bindings: Mapping[str, object]
) -> None:
    """Checks what a run is called with.

    Args:
        run: A function with typed keyword arguments.
        flags: Names of the arguments that flags give.
        bindings: Arguments that the configuration gives.

    Raises:
        InputError: If an argument without default is given by neither, or the
            configuration gives a value of another type than the annotated one.
    """
    parameters = inspect.signature(run, eval_str=True).parameters
    given = {*flags, *bindings}
    missing = [
        f"{run.__name__}.{name}"
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in given
    ]
    if missing:
        raise InputError(
            f"The configuration gives no {', '.join(missing)}; add `{missing[0]} = "
            f'...` to the .gin file, or --gin_bindings="{missing[0]}=...".'
        )
    for name, value in bindings.items():
        if not _fits(value, parameters[name].annotation):
            wanted = inspect.formatannotation(parameters[name].annotation)
            raise InputError(
                f"{run.__name__}.{name} is {wanted}, not {value!r}; correct it."
            )


def _fits(value: object, annotation: object) -> bool:
    kinds = typing.get_args(annotation) or (annotation,)
    if not isinstance(value, _LITERALS) or not all(
        isinstance(kind, type) for kind in kinds
    ):
        return True
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int) and float in kinds:
        return True
    return isinstance(value, kinds)
