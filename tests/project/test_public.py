"""The public face: its names, its imports, and the completeness of its typed use."""

import ast
import enum
import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args, get_type_hints

import attrs

import fillbook as fb

USED = Path(__file__).parent / "typing" / "api.py"
LOADED = """
import json, sys
before = set(sys.modules)
import fillbook
fillbook.open
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_the_face_lists_every_name_that_it_has_and_no_other():
    listed = set(fb.__all__)  # the first use of a name loads all of them
    there = {
        name
        for name, value in vars(fb).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert listed == there
    assert len(fb.__all__) == len(set(fb.__all__))


def test_importing_it_loads_attrs_cattrs_and_the_standard_library():
    told = subprocess.run(
        [sys.executable, "-I", "-c", LOADED], capture_output=True, text=True, check=True
    )
    ours = {"attr", "attrs", "cattr", "cattrs", "fillbook", "typing_extensions", "orjson"}
    strangers = set(json.loads(told.stdout)) - ours - sys.stdlib_module_names
    assert {name for name in strangers if not name.startswith("_")} == set()


def test_the_typed_use_of_the_face_is_complete():
    tree = ast.parse(USED.read_text("utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    methods = {
        name for kind in (fb.Desk, fb.Book) for name in dir(kind) if not name.startswith("_")
    }
    assert sorted((set(fb.__all__) | methods) - names) == []


def values_of(kind, found):
    """Every class that a value of *kind* may hold, and every enum."""
    if isinstance(kind, type) and (attrs.has(kind) or issubclass(kind, enum.Enum)):
        if kind not in found and kind.__module__.startswith("fillbook"):
            found.append(kind)
            parts = (
                [x.type for x in attrs.fields(attrs.resolve_types(kind))] if attrs.has(kind) else []
            )
            asked = [x.fget for x in vars(kind).values() if isinstance(x, property)]
            for part in (*parts, *(get_type_hints(x).get("return") for x in asked)):
                values_of(part, found)
    else:
        for part in get_args(kind):
            values_of(part, found)
    return found


def test_every_class_that_a_book_or_a_desk_returns_is_on_the_face():
    found = []
    for kind in (fb.Book, fb.Desk):
        for name, method in inspect.getmembers(kind):
            if inspect.isfunction(method) and not name.startswith("_"):
                values_of(get_type_hints(method).get("return"), found)
    assert [x.__name__ for x in found if getattr(fb, x.__name__, None) is not x] == []


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert fb.__version__ == version("fillbook")
