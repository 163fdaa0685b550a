"""docs/wire-format.md says what the code does: schema, limits, codes and examples."""

import importlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "wire-format.md").read_text(encoding="utf-8")


def fences(language):
    return re.findall(rf"^```{language}\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)


def section(title):
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_schema_on_the_page_is_the_file():
    assert "\n\n".join(fences("cddl")) + "\n" == (ROOT / "docs" / "wire-format.cddl").read_text(
        encoding="utf-8"
    )


def test_limits_are_those_of_the_code():
    rows = re.findall(r"^\| .+ \| (\d+) \| `(\w+)\.(\w+)` \|$", section("Limits"), re.MULTILINE)
    for limit, module, name in rows:
        assert getattr(importlib.import_module(f"gateway.wire.{module}"), name) == int(limit), name
    assert len(rows) == section("Limits").count("\n| ") - 1


def test_no_limit_of_the_code_is_missing():
    listed = set(re.findall(r"`(\w+\.MAX_\w+)`", section("Limits")))
    for path in (ROOT / "gateway" / "wire").glob("*.py"):
        for name in re.findall(r"^(MAX_\w+) =", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert f"{path.stem}.{name}" in listed


def test_codes_are_those_that_the_code_raises():
    raised = set()
    for path in (ROOT / "gateway" / "wire").glob("*.py"):
        raised |= set(re.findall(r'WireError\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8")))
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section("Codes"), re.MULTILINE)) == raised


def test_examples_are_vectors():
    known = set()
    for path in (ROOT / "tests" / "vectors" / "wire").glob("*.json"):
        known |= strings(json.loads(path.read_text(encoding="utf-8")))
    examples = ["".join(block.split()) for block in fences("hex")]
    assert len(examples) >= 9
    for example in examples:
        assert example in known


def strings(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        return set().union(*[strings(part) for part in tree])
    return {tree} if isinstance(tree, str) else set()


def test_links_lead_somewhere():
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (ROOT / "docs" / target).exists(), target
