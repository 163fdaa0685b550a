"""For pytest only: portable tests import their helpers by name, as MicroPython's runner lets them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
