"""A board's request to the bridge, and the bridge's answer back, over the cable with mpremote."""

import json
import subprocess
import sys

from firmware.workshop.flash import FlashError, meaning

LONGEST_S = 60


def request(port: str, hub: str) -> dict[str, str]:
    """What the bridge needs; the board makes its keys. FlashError with what to do."""
    said = _on_board(port, f"from firmware import bench; bench.request({hub!r})")
    try:
        found: dict[str, str] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise FlashError(f"The board on {port} gave no request: {said[-200:]!r}") from None
    return found


def install(port: str, answer: str, settings: str) -> None:
    """The answer and the installer's settings into the board. FlashError with what to do."""
    _on_board(port, f"from firmware import bench; bench.install({answer!r}, {settings!r})")


def _on_board(port: str, line: str) -> str:
    command = [sys.executable, "-m", "mpremote", "connect", port, "resume", "exec", line]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        raise FlashError(meaning("could not enter raw repl", port, "")) from None
    if done.returncode != 0:
        raise FlashError(meaning(done.stdout + done.stderr, port, ""))
    return done.stdout
