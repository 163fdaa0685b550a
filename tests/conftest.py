"""For every process that runs tests."""

import gc


def pytest_collection_finish():
    """What was imported and collected stays as it is: looking through all of it for garbage would hold up the
    event loops of virtual devices for a good part of a second, now and then.
    """
    gc.collect()
    gc.freeze()
