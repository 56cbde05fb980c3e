"""Arguments that a command passes to its run, without running it."""

import pytest

from keras_lraspp.__main__ import main


@pytest.fixture
def handed_over(monkeypatch):
    """Returns a function of the command line: the arguments of the run that are given.

    The flags must name a configuration, which is not read.
    """
    calls = {}
    monkeypatch.setattr(
        "keras_lraspp.config.call", lambda run, **flags: calls.update({run: flags})
    )

    def call(command, *flags):
        monkeypatch.setattr("keras_lraspp.cli.flags.load_flags", lambda flags: None)
        assert main([command, *flags]) == 0
        return {k: v for k, v in calls[command].items() if v is not None}

    return call
