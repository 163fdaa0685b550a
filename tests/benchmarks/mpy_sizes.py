"""How large the portable files are on a hub with MicroPython. `make check` runs it after mpy-cross.

A driver may have 4096 bytes a file: that is what an ESP32 loads at once without trouble. The largest are
listed; the exit code is 1 when one is too large.
"""

import sys
from pathlib import Path

LIMIT = 4096
SHOWN = 5


def main(folder: str) -> int:
    sizes = sorted(
        ((path.stat().st_size, path.stem) for path in Path(folder).glob("gateway.drivers.*.mpy")),
        reverse=True,
    )
    too_large = [row for row in sizes if row[0] > LIMIT]
    for size, name in too_large or sizes[:SHOWN]:
        print(f"  {size:>5} bytes  {name}{'  TOO LARGE' if size > LIMIT else ''}")
    total = sum(size for size, _ in sizes)
    print(f"  {total:>5} bytes  all {len(sizes)} driver files; limit of each: {LIMIT}")
    return 1 if too_large or not sizes else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
