"""What a test was warned of."""


def texts(caught) -> list[str]:
    """Says what was warned of, without what Python says of itself.

    `pytest.warns` records warnings of every category, so also those of files and
    processes of earlier tests that Python's garbage collection happens to find now.
    """
    return [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
