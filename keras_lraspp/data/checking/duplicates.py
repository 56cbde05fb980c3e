"""Pictures that a data set holds twice."""

from collections import defaultdict
from collections.abc import Iterable

from keras_lraspp.data.checking.health import Problem, SplitHealth


def duplicates(splits: Iterable[SplitHealth]) -> list[Problem]:
    """Finds pictures that are there twice, pixel by pixel.

    Twice in one split is a waste, and a fault if their labels differ; in two splits it
    spoils what the second is for.
    """
    places = defaultdict(list)
    for health in splits:
        for found in health.findings:
            if found.content:
                place = (health.split, health.samples.where(found.index))
                places[found.content.digest].append(
                    (*place, found.content.label_digest)
                )
    kinds = defaultdict(list)
    for same in places.values():
        if len(same) > 1:
            leak = len({split for split, _, _ in same}) > 1
            differ = len({label for _, _, label in same}) > 1
            kind = "leak" if leak else "other labels" if differ else "same labels"
            kinds[kind].append(same)
    return [_duplicate_problem(kind, kinds[kind]) for kind in _WORDS if kind in kinds]


_WORDS = {
    "leak": (
        "in two splits, which makes scores on the second too good; leave it out of one",
        "leak",
        True,
    ),
    "other labels": (
        "there twice with different labels; keep the right one",
        "duplicates",
        True,
    ),
    "same labels": ("there twice, with equal labels", "duplicates", False),
}


def _duplicate_problem(kind: str, groups: list) -> Problem:
    words, name, serious = _WORDS[kind]
    rows = [" = ".join(where for _, where, _ in same) for same in groups]
    message = "\n".join([f"the same picture is {words} ({len(groups)} times):", *rows])
    files = tuple(where for same in groups for _, where, _ in same)
    return Problem(name, message, files, serious)
