"""What is left of a crash until the bridge knows: counts, names of our own files and functions, nothing else.

No text of the error, no value, nobody's data: what a status may carry. The record is one small file, written
whole; it goes as counts in the hub's status (docs/updates.md) and stays until that status was accepted.
"""

import io
import sys

from firmware import files
from gateway.wire import shape
from gateway.wire.cbor import CborError, decode, encode
from gateway.wire.errors import MeethubError, WireError

FILE = "/crash"
MAX_FRAMES = 4
WATCHDOG, _STARVED = "watchdog", "starved-"
_LINE = '  File "'
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Accepts = Callable[[int], bool]


class Crashes:
    """How often the hub crashed since the bridge knew last, and where the last time. folder: the record's."""

    def __init__(self, folder: str) -> None:
        self._path = folder + FILE
        self.count, self.release = 0, 0
        self.words: list[str] = []
        self._carried: tuple[int, int] | None = None
        self._load()

    def note(self, error: BaseException, release: int) -> None:
        """An exception that nobody handled, in this release. OSError when it cannot be kept."""
        word = type(error).__name__
        if isinstance(error, MeethubError):
            word += " " + error.code
        self.note_word(word, release, _frames(error))

    def note_word(self, word: str, release: int, frames: "list[str] | tuple[()]" = ()) -> None:
        """A crash known by a word only, such as the watchdog's. OSError when it cannot be kept."""
        self.count, self.release = min(self.count + 1, 0xFFFF), release
        self.words = [_kebab("crash-" + word)] + [_kebab("crash-in-" + frame) for frame in frames]
        files.write_whole(self._path, encode([1, self.count, release, self.words]))

    def starved(self, task: str, release: int) -> None:
        """This task stands still: the watchdog is about to start the board again."""
        self.note_word(_STARVED + task, release)

    def started(self, bitten: bool, release: int) -> None:  # noqa: FBT001 (a fact)
        """After a start, bitten: by the watchdog. Noted unless `starved` could say why before."""
        if bitten and not (self.words and self.words[0].startswith("crash-" + _STARVED)):
            self.note_word(WATCHDOG, release)

    def facts(self) -> dict[str, int]:
        """For the status: {"crashes": how many, "crash-release": …, "crash-<class>": 1, "crash-in-…": 1, …}.

        The number of "crash-in-…" is the frame's place, 1 for where it happened.
        """
        if not self.count:
            return {}
        said = {"crashes": self.count, "crash-release": self.release}
        for place in range(len(self.words)):
            said[self.words[place]] = max(place, 1)
        return said

    def carried(self, sequence: int) -> None:
        """The status that was just sealed, in the envelope of this sequence, told these facts."""
        if self.count:
            self._carried = (sequence, self.count)

    def accepted(self, accepts: "Accepts") -> bool:
        """The bridge's state says which sequences it holds; whether the record is gone now."""
        if self._carried is None or not accepts(self._carried[0]):
            return False
        told, self._carried = self._carried[1], None
        if told != self.count:  # another one since: that was not told yet
            return False
        import os

        self.count = 0
        os.remove(self._path)
        return True

    def _load(self) -> None:
        """A record that cannot be read counts as one crash of its own."""
        try:
            data = files.read(self._path)
            if data is None:
                return
            _, count, release, words = shape.array(decode(data), 4)
            self.count, self.release = shape.integer(count, 1), shape.integer(release)
            self.words = [shape.word(word) for word in shape.some(words, 1 + MAX_FRAMES, 1)]
        except (OSError, CborError, WireError):
            self.count, self.words = 1, ["crash-unreadable"]


def _frames(error: BaseException) -> list[str]:
    """File and function of our own code, where it happened first, at most MAX_FRAMES."""
    found: list[str] = []
    for path, function in _trace(error):
        file = _ours(path)
        if file:
            found.insert(0, file + "-" + function)
    return found[:MAX_FRAMES]


def _trace(error: BaseException) -> list[tuple[str, str]]:
    """(path, function) of every frame, as MicroPython prints them before the error's own text."""
    if not hasattr(sys, "print_exception"):  # CPython
        import traceback

        return [(frame.filename, frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    text = io.StringIO()
    sys.print_exception(error, text)
    lines = text.getvalue().split("\n")
    found: list[tuple[str, str]] = []
    if not lines[0].startswith("Traceback"):
        return found
    for line in lines[1:]:
        if not line.startswith(_LINE):
            break  # from here on it is the text, whoever wrote that
        name, _, rest = line[len(_LINE) :].partition('"')
        found.append((name, rest.split(" in ")[-1]))
    return found


def _ours(path: str) -> str:
    """The path within our own code, without its ending; "" for other code."""
    for room in ("firmware/", "gateway/"):
        at = path.rfind(room)
        if at >= 0:
            return path[at:].rsplit(".", 1)[0]
    return ""


def _kebab(text: str) -> str:
    """Small letters and digits joined by single dashes, at most a wire word long: its middle goes first."""
    parts = "".join([letter if letter in _LETTERS else " " for letter in text.lower()]).split()
    word = "-".join(parts)
    while len(word) > shape.MAX_WORD and len(parts) > 3:
        del parts[2]
        word = "-".join(parts)
    return word[: shape.MAX_WORD].rstrip("-")
