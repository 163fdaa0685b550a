"""Every code that can reach a person stands in the one catalogue, with who must act, in Dutch and English."""

import ast
import re
from pathlib import Path

import pytest

from gateway.wire.catalogue import CODES, PARTIES, explain

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
SOURCES = [path for folder in ("gateway", "cloud_bridge") for path in sorted((ROOT / folder).rglob("*.py"))]


def raised(path: Path) -> set[str]:
    """Codes given to an error's constructor in this file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        code = node.args[0].value
        if name.endswith(("Error", "Refused", "TryLater")) and isinstance(code, str) and CODE.fullmatch(code):
            found.add(code)
    return found


def test_every_code_that_is_raised_is_explained():
    missing = {code for path in SOURCES for code in raised(path)} - set(CODES)
    assert not missing, sorted(missing)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_says_who_must_act_and_what_is_wrong(code):
    who, dutch, english = explain(code)
    assert CODE.fullmatch(code)
    assert who in PARTIES
    for sentence in (dutch, english):
        assert sentence[0].isupper()
        assert sentence.endswith((".", "?"))
    assert max(len(part.split()) for part in re.split(r"[.?:]", dutch)) <= 15, "B1: short sentences"


def test_an_unknown_code_is_still_said():
    assert "no-such-code" in explain("no-such-code")[2]
