"""What a request to the server can come to, with the exit code of the client."""


class ServingError(Exception):
    """One sentence for the user."""

    exit_code = 3  # the server cannot be reached, or failed


class RefusedError(ServingError):
    """The server refused the request: the image, the model's name or the version."""

    exit_code = 2
