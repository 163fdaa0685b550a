"""Install a lock file into the environment of this interpreter, with a progress line a person can read."""

import re
import subprocess
import sys
from pathlib import Path

WIDTH = 30


def packages(lock: str) -> int:
    with Path(lock).open(encoding="utf-8") as lines:
        return sum(bool(re.match(r"[A-Za-z0-9]", line)) for line in lines)


def show(done: int, total: int, what: str) -> None:
    if sys.stdout.isatty():
        bar = "█" * (WIDTH * done // total)
        print(f"\r  {bar:<{WIDTH}} {done}/{total} {what[:40]:<40}", end="", flush=True)


def main(lock: str) -> int:
    total, done, seen = packages(lock), 0, []
    print(f"Installing {total} packages from {lock} (about one to two minutes the first time)", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--no-input", "-r", lock]
    command += ["--disable-pip-version-check", "--progress-bar", "off"]
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in pip.stdout or ():
        seen.append(line)
        if found := re.match(
            r"(?:Collecting|Requirement already satisfied:|Ignoring) ([A-Za-z0-9._-]+)", line
        ):
            done = min(done + 1, total)
            show(done, total, found[1])
    if pip.wait() != 0:
        print("\n" + "".join(seen[-30:]), end="")
        print("The installation failed. Is there a network? Then run the same command again.")
        return 1
    show(total, total, "installed")
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
