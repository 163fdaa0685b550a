"""A release's rooms: what the modules do together is what they do apart, on MicroPython, out of an image."""

import ast
import subprocess
from pathlib import Path

import pytest

from firmware.workshop import build, image
from firmware.workshop.bundle import bundled
from tests.firmware.conftest import ROOT, micropython

PORTABLE = ROOT / "tests" / "portable"
# They look into the tree itself, or replace a name of a module while they run.
APART = ("interpreter_test", "run", "conftest")

TREE = {
    "shop": '"""A package that passes a name on."""\nfrom shop.till import Till\n__all__ = ["Till"]\n',
    "shop.words": """
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Shown = object

try:
    from micropython import const
except ImportError:

    def const(value: int) -> int:
        return value

LOW, HIGH = const(-3), const(1 << 4)
_ROWS = (("a", 1), ("b", LOW))
NOTHING = ()
GREETING = "it's" + " me"
limit: int = HIGH * 2
class Fault(Exception):
    code: str
    code = "fault"
def size(of: "Shown") -> int:
    '''How many.'''
    return len(of) + LOW
def _inner(text): return "words " + text
def shown(text): return _inner(text)
def nobody_calls_it(): return _inner("dead")
""",
    "shop.till": """
import os
from binascii import crc32 as checksum
from shop import words
from shop.words import HIGH, Fault as Wrong, size
from micropython import const
_KEPT = const(7)
limit = words.limit + 1
def _inner(text): return "till " + text
class Till:
    LOWEST = words.LOW
    size = 5
    def __init__(self, size=HIGH, *, words_of=limit):
        self.size, self.words_of = size, words_of
    def counted(self, shown):
        def inner():
            nonlocal shown
            shown += 1
            return words.shown(str(shown)) + _inner(f"{words.GREETING} {shown:03d} {HIGH:x}")
        return inner()
    def rows(self):
        limit = [size(row) for row in words._ROWS]
        return limit, {name: number for name, number in words._ROWS}, sum(size for size in (1, 2)), _KEPT
    def nothing(self, what):
        return what is words.NOTHING
    def fails(self):
        try:
            raise Wrong("x")
        except Wrong as words_:
            return words_.code, checksum(b"x")
    def later(self):
        from shop.words import shown as tell, LOW
        from shop.rare import rare
        from shop import rare as whole
        return tell("now"), LOW, rare(), whole.rare(), (lambda shown=words.shown: shown("l"))()
""",
    "shop.rare": """
from shop.till import Till, limit
from shop.words import HIGH, shown
PUBLIC = HIGH - 1
def rare(): return shown("rare"), Till.LOWEST, limit, PUBLIC
""",
    "asked": """
NAMES = "one asked.one One"
def made():
    _, module, kind = NAMES.split(" ")
    return getattr(__import__(module, None, None, (kind,)), kind)
""",
    "asked.one": "from shop.words import shown\nfrom asked.one_part import part\nclass One:\n    said = part() + shown('1')\n",
    "asked.one_part": "def part(): return 'part'\ndef made(): return 'not that one'\n",
    "ask": """
from asked import made
from shop import Till
from shop.words import NOTHING
till = Till()
print(till.size, till.words_of, Till.size, Till.LOWEST, till.counted(4), till.rows())
print(till.nothing(NOTHING), till.fails(), till.later(), made().said)
""",
}
ROOMS = {"shop": ["shop", "shop.words", "shop.till"], "asked.one": ["asked.one", "asked.one_part"]}


def write(folder: Path, modules: dict[str, str]) -> None:
    packages = {name.rpartition(".")[0] for name in modules}
    for name, text in modules.items():
        path = folder / (name.replace(".", "/") + ("/__init__.py" if name in packages else ".py"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def output(folder: Path) -> str:
    command = [micropython(), "-c", "import ask"]
    done = subprocess.run(
        command,
        env={"MICROPYPATH": f"{folder}:.frozen"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_bundled_tree_does_what_the_tree_does(tmp_path):
    made = bundled(TREE, ROOMS)
    write(tmp_path / "tree", TREE)
    write(tmp_path / "made", made)
    assert output(tmp_path / "tree") == output(tmp_path / "made") != ""
    assert sorted(made) == ["ask", "asked", "asked.one", "shop", "shop.rare"]
    assert "HIGH" not in made["shop"]  # a constant
    assert "nobody_calls_it" not in made["shop"]
    assert "typing" not in made["shop"]


@pytest.mark.parametrize(
    ("module", "text", "why"),
    [
        ("shop.till", "def f():\n    global x\n    x = 1\n", "line 2: Global"),
        ("shop.till", "from shop import words\nx = [words]\n", "line 2: words is a module in a room"),
        ("shop.till", "from shop import words\nwords.limit = 3\n", "line 2: sets limit of another"),
        ("shop.till", "from shop.words import missing\nmissing()\n", "line 2: shop.words has no missing"),
        ("shop.till", "x = __name__\n", "line 1: __name__ in a room"),
        ("shop.till", "from shop.words import *\n", "line 1: import of a relative"),
        ("shop.till", "import shop.words\n", "line 1: import shop.words"),
        (
            "shop.till",
            "def f():\n    from shop.words import size\n    size = 1\n",
            "line 3: size is imported",
        ),
        ("shop.till", "x = nobody\n", "line 1: nobody binds nobody"),
        ("shop.till", "x = 'shop.words'\n", "line 1: shop.words is named in a text"),
        ("shop.till", "X = list()\nclass A:\n    X = X\n", "line 3: X is a name of the class and of"),
        ("shop.till", "def (:\n", "line 1: "),
        (
            "shop.rare",
            "from shop.words import size\ndef f():\n    from shop import words\n    words.size()\n",
            "line 3: shop.words is in a room",
        ),
        ("shop.words", "from shop.till import Till\n", "modules import each other"),
    ],
)
def test_what_cannot_be_decided_is_refused(module, text, why):
    tree = {"shop": "", "shop.words": TREE["shop.words"], "shop.till": "", "shop.rare": "", module: text}
    if module == "shop.words":
        tree["shop.till"] = "from shop.words import x\nclass Till: pass\n"
    with pytest.raises(build.BuildError, match=why):
        bundled(tree, {"shop": ["shop", "shop.words", "shop.till"]})


@pytest.mark.parametrize(
    "made", [{"shop": ["shop.words"]}, {"shop": ["shop", "none"]}, {"shop": ["shop"], "ask": ["ask", "shop"]}]
)
def test_a_room_that_is_none_is_refused(made):
    with pytest.raises(build.BuildError):
        bundled(TREE, made)


def test_rooms_that_need_each_other_are_refused():
    tree = {"a": "from b import x\ny = x", "b": "x = [1]", "c": "from a import y\nz = y", "d": ""}
    with pytest.raises(build.BuildError, match="rooms need each other: a, b"):
        bundled(tree, {"b": ["b", "c"]})


def test_the_same_tree_gives_the_same_release():
    assert build.release_sources() == build.release_sources()


def test_every_name_of_the_release_is_bound_where_it_is_imported_from():
    modules = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): ast.parse(text)
        for path, text in build.release_sources().items()
    }
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("firmware", "gateway"):
                there = set(dir_of(modules.get(node.module, ast.Module([], []))))
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    assert alias.name in there or inner in modules, f"{name}: {inner}"


def dir_of(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@pytest.fixture(scope="module")
def portable_image(tmp_path_factory):
    """The release's image, and a folder with the portable tests, which ask for its names where they are now."""
    folder, apart = tmp_path_factory.mktemp("release"), tmp_path_factory.mktemp("apart")
    tests = {path.stem: path.read_text() for path in sorted(PORTABLE.glob("*.py")) if path.stem not in APART}
    for path, text in build.release_sources(tests).items():
        if path.parts[0] in ("firmware", "gateway"):
            build.compiled("x64", text, folder / path.with_suffix(".mpy"), path)
        else:  # their assertions count
            tested = apart / "tests" / "portable" / path
            tested.parent.mkdir(parents=True, exist_ok=True)
            tested.write_text(text)
    (apart / "tests" / "vectors").symlink_to(ROOT / "tests" / "vectors")
    written = folder / "image"
    files = [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    written.write_bytes(image.romfs(files, most=1 << 30))
    return written, apart / "tests" / "portable"


def test_all_portable_tests_pass_with_the_bundled_release_run_in_place(portable_image, on_board):
    names = sorted(path.stem for path in PORTABLE.glob("test_*.py"))
    words = [str(path) for path in portable_image]
    said = on_board("tests/firmware/board/run_bundled.py", *words, *names, heap="16M")
    assert int(said.split()[-2]) > 100


def test_a_crash_says_in_which_file_of_ours_it_happened(tmp_path):
    name = Path("firmware/thing/__init__.py")
    build.compiled("x64", "def broken(): raise ValueError\n", tmp_path / "thing.mpy", name)
    told = "import thing; from firmware.crash import _frames\ntry: thing.broken()\n"
    told += "except ValueError as error: print(_frames(error))"
    path = f"{tmp_path}:{ROOT}:.frozen"
    done = subprocess.run(
        [micropython(), "-c", told],
        env={"MICROPYPATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.strip() == "['firmware/thing-broken']", done.stderr
