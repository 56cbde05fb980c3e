"""What a request to the server can come to, with the exit code of the client."""

import re

# Bytes of an answer: of 2^24 pixels, the most that the server takes, the two PNGs of
# labels and colours have a little less in JSON.
LARGEST_ANSWER = 128 << 20


class ServingError(Exception):
    """One sentence for the user."""

    exit_code = 3  # of files; or the server cannot be reached, or failed


class RefusedError(ServingError):
    """The server refused the request: the image, the model's name or the version."""

    exit_code = 2


def with_hint(reason: str) -> str:
    """Says of a server's text why a signature for files may be missing."""
    if re.search('"serve_(png|bytes)" not found', reason):
        reason = (
            f"{reason.rstrip('.')}; a model for other images than grey, RGB or RGBA "
            f"takes arrays, which this client does not send."
        )
    return reason


def printable(text: object, most: int = 500) -> str:
    """Returns a stranger's text without line feeds, escape sequences and the like."""
    text = str(text)
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[:most]
    )
    return shown + "..." * (len(text) > most)
