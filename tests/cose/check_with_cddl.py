"""Run by .venv-cose: validates CBOR against docs/wire-format.cddl with cddl-verifier.

stdin: [{"name", "rule", "hex"}]. stdout: {name: null when valid, else what is wrong}.
"""

import json
import sys
from pathlib import Path

from cddl_verifier import Validator


def main():
    validator = Validator(Path(sys.argv[1]))
    answers = {}
    for row in json.load(sys.stdin):
        result = validator.validate(bytes.fromhex(row["hex"]), root_type=row["rule"])
        answers[row["name"]] = None if result.valid else "; ".join(one.message for one in result.diagnostics)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
