"""The real gateway daemon on the virtual radio: only the Bluetooth backend differs from a Raspberry Pi."""

import argparse
import json
from pathlib import Path

from gateway.config import load
from gateway.daemon import run
from gateway.simulator.virtual_adapter import VirtualAdapter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--street", type=Path, required=True, help="directory of the virtual devices")
    parser.add_argument("--adapter", type=int, default=0, help="which of the street's adapters")
    chosen = parser.parse_args()
    config = load(chosen.config)

    def port() -> int:
        return int(json.loads((chosen.street / "ready.json").read_text())["adapters"][chosen.adapter])

    run(config, VirtualAdapter(port, config.data / "bonds.json").backend())


if __name__ == "__main__":
    main()
