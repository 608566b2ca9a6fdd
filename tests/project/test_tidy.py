"""The house in order: who may import whom, what the pure rings may not do, sizes, names."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "fillbook"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: What a ring may import of the project, by prefix; `errors` and the ring itself always.
#: The longest prefix of a module names its ring, and one without a row may import anything.
RINGS = {
    "model": (),
    "errors": ("model",),
    "broker": ("model",),
    "store": ("model",),
    "codec": ("model",),
    "clock": ("model",),
    "alerts": ("model",),
    "core": ("model",),
    "desk": ("model", "core", "broker", "store", "codec", "clock", "alerts"),
    "brokers": ("model",),
    "brokers.alpaca": ("model", "broker", "codec", "clock"),
    "brokers.coinbase": ("model", "broker", "codec", "clock"),
    "brokers.simulated": ("model", "broker", "codec", "clock", "venue.exchange"),
    "stores": ("model", "store", "codec"),
    "venue": ("model", "clock"),
}
CLOSED = ("testing", "cli")  #: nobody else imports them
PURE = ("model", "core")

#: A clock, chance, files, sockets, threads, processes, databases.
IMPURE = {
    *("asyncio", "fcntl", "http", "logging", "multiprocessing", "os", "pathlib", "queue"),
    *("random", "secrets", "select", "shutil", "socket", "sqlite3", "subprocess", "sys"),
    *("tempfile", "threading", "time", "urllib", "uuid"),
}
CLOCKS = frozenset({"now", "utcnow", "today", "monotonic", "perf_counter", "sleep"})

#: How long at most; we aim at 250 lines, and at 30 a function.
HARD_MODULE = 450
HARD_FUNCTION = 60
#: Modules that are longer all the same.  A ratchet: rows are lowered and go, none is added.
LONG: dict[str, int] = {}


@cache
def tree_of(path):
    return ast.parse(path.read_text("utf-8"), str(path))


def name_of(path):
    """``brokers.alpaca.wire.orders``; a package by its folder, and the root ``""``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """Every module that is named by an import anywhere in the file, TYPE_CHECKING too."""
    package = ["fillbook", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if is_module(base, alias))


def is_module(base, alias):
    place = SOURCE.joinpath(*base.split("."), alias.name)
    return place.is_dir() or place.with_suffix(".py").exists()


def inner_imports_of(path):
    """What it imports of the project, without ``fillbook.``; the bare package is left out."""
    found = {name for name in imports_of(path) if name.startswith("fillbook.")}
    return {name.removeprefix("fillbook.") for name in found}


def is_in(name, prefixes):
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def ring_of(name):
    return max((ring for ring in RINGS if is_in(name, [ring])), key=len, default=None)


def modules_of(*rings):
    return [path for path in MODULES if is_in(name_of(path), rings)]


def ids(path):
    return name_of(path) or "fillbook"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_imports_only_what_its_ring_may(path):
    ring = ring_of(name_of(path))
    if ring is None:
        allowed = None
    else:
        allowed = ("errors", ring, *RINGS[ring])
    strangers = {
        name
        for name in inner_imports_of(path)
        if (allowed is not None and not is_in(name, allowed))
        or (is_in(name, CLOSED) and not is_in(name_of(path), CLOSED))
    }
    assert strangers == set()


@pytest.mark.parametrize("path", modules_of(*PURE), ids=ids)
def test_a_pure_module_knows_no_clock_no_chance_and_no_outside(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    calls = {
        node.func.attr
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    opens = {
        node.func.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert roots & IMPURE == set()
    assert calls & CLOCKS == set()
    assert opens & {"open", "print", "input"} == set()


@pytest.mark.parametrize("path", modules_of(*PURE), ids=ids)
def test_a_pure_module_has_no_float(path):
    literals = [
        node.value
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]
    calls = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "float"
    ]
    assert (literals, calls) == ([], [])


def functions_of(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kinds)]


def length_of(function):
    """Lines of a function without its docstring."""
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if told else 0
    return function.end_lineno - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_modules_and_functions_can_be_read_in_one_go(path):
    most = LONG.get(name_of(path), HARD_MODULE)
    assert len(path.read_text("utf-8").splitlines()) <= most
    long = {one.name: length_of(one) for one in functions_of(path)}
    assert {name: size for name, size in long.items() if size > HARD_FUNCTION} == {}


def test_a_module_that_has_become_short_leaves_the_list_of_long_ones():
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert [name for name in LONG if lengths.get(name, 0) <= HARD_MODULE] == []


def test_nine_in_ten_functions_are_one_screen():
    sizes = sorted(length_of(one) for path in MODULES for one in functions_of(path))
    assert sizes[len(sizes) * 9 // 10] <= 30


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=ids)
def test_what_a_package_lists_is_sorted_and_there(path):
    namespace = __import__(".".join(["fillbook", *filter(None, [name_of(path)])]), fromlist=["x"])
    listed = getattr(namespace, "__all__", [])
    assert listed == sorted(listed, key=all_order)
    assert [name for name in listed if not hasattr(namespace, name)] == []


def all_order(name):
    """Constants, then classes, then the rest, as ruff sorts them."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return (kind, name)


def desk_methods():
    path = PACKAGE / "desk" / "__init__.py"
    classes = tree_of(path).body if path.exists() else []
    desks = [node for node in classes if isinstance(node, ast.ClassDef) and node.name == "Desk"]
    return [node for desk in desks for node in desk.body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("method", desk_methods(), ids=lambda method: method.name)
def test_the_desk_only_delegates(method):
    if method.name == "__init__":
        return
    told = ast.get_docstring(method) is not None
    assert len(method.body[told:]) == 1


def tracked_texts():
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    for name in filter(None, names.split("\0")):
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            yield name, path.read_text("utf-8", errors="replace")


#: Real keys, and paths of somebody's machine.
NOT_OURS = {
    "an Alpaca key": r"\b[AP]K[A-Z0-9]{18}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\S",
    "a path of one machine": rf"/home/\w+|/Users/\w+|/root/|{re.escape(str(ROOT))}",
}


@pytest.mark.parametrize("what", NOT_OURS)
def test_nothing_of_one_person_or_machine_is_in_the_tree(what):
    pattern = re.compile(NOT_OURS[what])
    assert [name for name, text in tracked_texts() if pattern.search(text)] == []


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_nothing_is_left_for_later(path):
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert marks.findall(path.read_text("utf-8")) == []
