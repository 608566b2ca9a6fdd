"""Every public attribute has a text that an editor shows, and a place in the reference."""

import ast
import enum
import inspect
import re
import runpy
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import fields, has

import fillbook as fb
from fillbook import model as m

PAGES = Path(__file__).parents[2] / "docs" / "reference"
REFERENCE = runpy.run_path(str(PAGES / "generate.py"))
CLASSES = [
    kind
    for name in sorted(fb.__all__)
    if isinstance(kind := getattr(fb, name), type) and (has(kind) or issubclass(kind, enum.Enum))
]


CLASSES += [getattr(m, name) for name in REFERENCE["OF_ADAPTERS"]]


@cache
def reference():
    """The pages of the reference, as they are built."""
    return "".join(REFERENCE["filled"](page.read_text("utf-8")) for page in PAGES.glob("*.md"))


def section(kind):
    [shown] = re.findall(
        rf"^::::{{py:class}} {kind.__name__}$(.*?)^::::$", reference(), re.MULTILINE | re.DOTALL
    )
    return shown


def with_text_below(kind):
    """The attributes with a docstring: the text below them, which editors show."""
    body = ast.parse(inspect.getsource(kind)).body[0].body
    return {
        ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
        for node, after in pairwise(body)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_public_attribute_has_a_text_that_an_editor_shows(kind):
    named = [x.name for x in fields(kind)] if has(kind) else list(kind.__members__)
    names = {name for name in named if not name.startswith("_")}
    bare = {
        name
        for name, value in vars(kind).items()
        if isinstance(value, property) and not name.startswith("_") and not value.__doc__
    }
    assert (names - with_text_below(kind), bare) == (set(), set())


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_reference_has_every_attribute_with_its_type_and_default(kind):
    shown = section(kind)
    if not has(kind):
        assert [f"{{py:attribute}} {x.name}\n:value: " in shown for x in kind].count(False) == 0
        return
    for field in fields(kind):
        head = rf"{{py:attribute}} {field.name}\n:type: [^\n]+\n"
        default = REFERENCE["default_text"](field.default)
        assert re.search(head + ("" if default is None else ":value: "), shown), field.name


def test_the_reference_has_every_function_method_and_error():
    for kind in (fb.Desk, fb.Book, fb.Broker, fb.Store):
        shown = section(kind)
        names = [name for name in dir(kind) if not name.startswith("_")]
        missing = [name for name in names if not re.search(rf"{{py:\w+}} {name}\b", shown)]
        assert missing in ([], ["book", "requests"])
    for name in fb.__all__:
        value = getattr(fb, name)
        if inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, Exception)):
            assert re.search(rf"{{py:(function|exception)}} {name}\b", reference()), name
