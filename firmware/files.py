"""Small files on the hub's flash: whole or not at all, whatever happens to the power."""

import os

_NEW = ".new"


def write_whole(path: str, data: bytes) -> None:
    """Durable when it returns; a cut leaves the old file or the new one. OSError where that fails."""
    with open(path + _NEW, "wb") as file:
        file.write(data)
        file.flush()  # on littlefs this is the sync
    os.rename(path + _NEW, path)


def read(path: str) -> bytes | None:
    """What the file holds; None when there is none. OSError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if error.args[0] == 2:  # ENOENT
            return None
        raise


def make_folder(path: str) -> None:
    try:
        os.mkdir(path)
    except OSError as error:
        if error.args[0] != 17:  # EEXIST
            raise
