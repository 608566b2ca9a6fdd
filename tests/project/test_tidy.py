"""The structure of the code: imports, purity, sizes, names."""

import ast
import re
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "fillbook"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

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
    "brokers.alpaca": ("model", "broker", "brokers.wire", "codec", "clock"),
    "brokers.coinbase": ("model", "broker", "brokers.wire", "codec", "clock"),
    "brokers.wire": ("model", "broker"),
    "brokers.simulated": ("model", "broker", "codec", "clock", "venue.exchange"),
    "stores": ("model", "store", "codec"),
    "venue": ("model", "clock"),
    "__main__": ("cli",),
}
CLOSED = ("testing", "cli", "__main__")  #: no other ring imports them
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
#: So many entries has a folder at most, but for the root of the package: its list is held.
FOLDER, ROOM = 16, "src/fillbook"


@cache
def tree_of(path):
    return ast.parse(path.read_text("utf-8"), str(path))


def name_of(path):
    """``brokers.alpaca.wire.orders``; a package by its folder, and the root ``""``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """Every module in an import anywhere in the file, TYPE_CHECKING included."""
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
    """Its imports of the project, without ``fillbook.``; the bare package is left out."""
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


def by_room(paths):
    """The parameters of a test for each of *paths*: those of one folder together."""
    rooms = defaultdict(list)
    for path in paths:
        rooms[path.parent.relative_to(ROOT).as_posix()].append(path)
    return {"argvalues": list(rooms.values()), "ids": list(rooms)}


@pytest.mark.parametrize("paths", **by_room(MODULES))
def test_a_module_imports_only_what_its_ring_may(paths):
    for path in paths:
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
        assert strangers == set(), path


@pytest.mark.parametrize("paths", **by_room(modules_of(*PURE)))
def test_a_pure_module_has_no_clock_no_randomness_and_no_io(paths):
    for path in paths:
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
        assert roots & IMPURE == set(), path
        assert calls & CLOCKS == set(), path
        assert opens & {"open", "print", "input"} == set(), path


#: What the neutral rings must not have: a broker's name, an address, a symbol taken to pieces, a
#: currency.
NOT_NEUTRAL = re.compile(
    r"alpaca|coinbase|https?://(?!docs\.kernel)|[\"']/[\"'] (not )?in |symbol\.(r?partition|split)"
    r"|[\"'](USD|USDC|USDT|EUR|BTC)[\"']",
    re.IGNORECASE,
)


@pytest.mark.parametrize("paths", **by_room(modules_of("core", "desk", "model")))
def test_a_neutral_module_knows_no_broker_and_no_currency(paths):
    for path in paths:
        assert NOT_NEUTRAL.findall(path.read_text("utf-8")) == [], path


@pytest.mark.parametrize("paths", **by_room(modules_of(*PURE)))
def test_a_pure_module_has_no_float(paths):
    for path in paths:
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
        assert (literals, calls) == ([], []), path


def functions_of(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kinds)]


def length_of(function):
    """Lines of a function without its docstring."""
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if told else 0
    return function.end_lineno - function.lineno + 1 - docstring


@pytest.mark.parametrize("paths", **by_room([*MODULES, *TESTS]))
def test_modules_and_functions_can_be_read_in_one_go(paths):
    for path in paths:
        assert len(path.read_text("utf-8").splitlines()) <= HARD_MODULE, path
        long = {one.name: length_of(one) for one in functions_of(path)}
        assert {name: size for name, size in long.items() if size > HARD_FUNCTION} == {}, path


def test_a_folder_has_at_most_sixteen_entries():
    entries = defaultdict(set)
    for name in tracked():
        for path in (Path(name), *Path(name).parents[:-1]):
            entries[str(path.parent)].add(path.name)
    crowded = {folder: len(names) for folder, names in entries.items() if len(names) > FOLDER}
    assert {x for x in crowded if x.startswith(("src", "tests", "docs", "examples"))} <= {ROOM}


def test_the_root_of_the_package_is_the_common_base():
    names = {x.removeprefix("src/fillbook/").split("/")[0] for x in tracked("src/fillbook")}
    assert names == {
        *(
            "__init__.py",
            "__main__.py",
            "py.typed",
            "errors.py",
            "clock.py",
            "codec.py",
            "config.py",
        ),
        *("alerts.py", "logs.py", "broker.py", "store.py", "opening.py", "public.py"),
        *("model", "core", "desk", "brokers", "stores", "venue", "testing", "cli", "web"),
    }


def test_no_module_imports_itself_indirectly():
    assert cycle_in({name_of(path): runtime_imports_of(path) for path in MODULES}) == []


@pytest.mark.parametrize("ring", ["model", "core", "desk", "brokers", "venue.exchange"])
def test_no_folder_of_a_ring_imports_itself_indirectly(ring):
    """Its modules one by one, and each of its folders as one."""
    depth = ring.count(".") + 2
    graph = defaultdict(set)
    for path in modules_of(ring):
        here = ".".join(name_of(path).split(".")[:depth])
        for name in runtime_imports_of(path):
            there = ".".join(name.split(".")[:depth])
            if is_in(there, [ring]) and there not in (here, ring) and here != ring:
                graph[here].add(there)
    assert cycle_in(graph) == []


def runtime_imports_of(path):
    """The modules of the project that are imported at run time, not only for types."""
    typing = {
        id(node)
        for test in ast.walk(tree_of(path))
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.unparse(test.test)
        for node in ast.walk(test)
    }
    package = ["fillbook", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in tree_of(path).body:
        if isinstance(node, ast.ImportFrom) and id(node) not in typing:
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            modules = {f"{base}.{x.name}" for x in node.names if is_module(base, x)}
            # `from fillbook import model as m` names a module; else the names are of base itself.
            found |= modules if len(modules) == len(node.names) else {base, *modules}
    inner = {name.removeprefix("fillbook.") for name in found if name.startswith("fillbook.")}
    return inner - {name_of(path), "model"}  # `m` is the face of all values, and made of them


def cycle_in(graph):
    """Return an import path from a module back to itself, or nothing."""
    done, way = set(), []

    def visit(name):
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        way.append(name)
        found = next(filter(None, (visit(x) for x in sorted(graph.get(name, ())))), [])
        way.pop()
        done.add(name)
        return found

    return next(filter(None, map(visit, sorted(graph))), [])


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


def tracked(*folders):
    """The files that git tracks, by their path in the project."""
    names = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return list(filter(None, names.split("\0")))


def tracked_texts():
    for name in tracked():
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            yield name, path.read_text("utf-8", errors="replace")


#: Real keys, and paths of a developer's machine.
NOT_OURS = {
    "an Alpaca key": r"\b[AP]K[A-Z0-9]{18}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\S",
    "a path of one machine": rf"/home/\w+|/Users/\w+|/root/|{re.escape(str(ROOT))}",
}


@pytest.mark.parametrize("what", NOT_OURS)
def test_nothing_of_one_person_or_machine_is_in_the_tree(what):
    pattern = re.compile(NOT_OURS[what])
    assert [name for name, text in tracked_texts() if pattern.search(text)] == []


@pytest.mark.parametrize("paths", **by_room(MODULES))
def test_nothing_is_left_for_later(paths):
    for path in paths:
        marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
        assert marks.findall(path.read_text("utf-8")) == [], path


def test_ci_runs_every_session():
    sessions = {
        node.name
        for node in tree_of(ROOT / "noxfile.py").body
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(x) for x in node.decorator_list)
    }
    words = set(re.findall(r"\w+", (ROOT / ".ci" / "run").read_text("utf-8")))
    assert len(sessions) > 20
    assert sessions - words == set()
