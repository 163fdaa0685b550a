"""For every process that runs tests."""

import gc
import logging

import pytest
import structlog


def pytest_collection_finish():
    """What was imported and collected stays as it is: looking through all of it for garbage would hold up the
    event loops of virtual devices for a good part of a second, now and then.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logs_as_before():
    """A command that was run in a test has set up its log, to a stderr that is gone with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
