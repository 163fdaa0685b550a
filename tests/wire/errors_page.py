"""docs/errors.md from the catalogue. Write it anew: .venv/bin/python -m tests.wire.errors_page"""

from pathlib import Path

from gateway.wire.catalogue import CODES

PATH = Path(__file__).parents[2] / "docs" / "errors.md"
HEAD = """\
# Errors: what is wrong, and who must act

Everything that can go wrong, be held or be refused carries one of these codes: on the command line, in a journey
(`meethub-bridge trace`), in the list of what waits (`meethub-bridge held`) and in logs. `hub` means that hub or bridge
go on by themselves; `dva`, `xis` and `standard` are parties outside, for coordinators. The table is made from
the catalogue (`gateway/wire/codes_hub.py` and its neighbours), where a new code gets its sentences.

| code | who must act | Nederlands | English |
|---|---|---|---|
"""


def page() -> str:
    rows = (
        f"| `{code}` | {who} | {dutch} | {english} |\n"
        for code, (who, dutch, english) in sorted(CODES.items())
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
