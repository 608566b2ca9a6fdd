"""
The API reference, from the code: each class with its attributes, their types and defaults.

The parts are directives of Sphinx's domain for Python, so that every name has an anchor and is in
the index and in the inventory.  A page names a part in a comment, ``<!-- api: orders -->``, which
`docs/conf.py` replaces when the pages are built.
"""

from __future__ import annotations

import ast
import enum
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from attrs import NOTHING, Factory, fields, has

import fillbook as fb
from fillbook import model as m
from fillbook.broker import Sink

#: The modules of each page of values.
PAGES = {
    "orders": ("model.orders.", "model.checks", "core.checks.", "model.answer"),
    "plans": ("model.plan", "model.protection", "model.repair", "model.account.rebalance"),
    "journal": ("model.journal.entries", "model.journal.order_entries", "model.journal.records"),
    "operations": (
        *("model.journal.status", "model.alert", "model.account.token"),
        "model.account.instruction",
    ),
    "account": ("model.account.", "model.capabilities"),
}
#: What an adapter returns and declares, beside the values of the other pages.
OF_ADAPTERS = (
    *("Observed", "NotObserved", "Absent", "Accepted", "Rejected", "NotSent", "Ambiguous"),
    *("Failure", "RateLimit", "Capabilities", "ReplaceQty", "AccountSnapshot", "PositionSnapshot"),
    *("OrderQuery", "OrderScope", "Session", "Takes", "OrderSort", "Tick", "Auction", "WashRule"),
)


def page_of(kind: type) -> str | None:
    """Return the page of a public class; None: it is on none of the pages of values."""
    name = kind.__module__.removeprefix("fillbook.")
    return next((page for page, names in PAGES.items() if name.startswith(names)), None)


def markdown(text: str) -> str:
    """Return a docstring as Markdown."""
    return re.sub(r"``([^`]+)``", r"`\1`", inspect.cleandoc(text))


# -- the source ------------------------------------------------------------------------


def tree_of(thing: Any) -> Any:
    """Return the definition of a class or a function as a syntax tree."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def type_text(node: ast.AST | None) -> str:
    """Return an annotation as it is written, without quotes and the prefix of the model."""
    text = "" if node is None else ast.unparse(node)
    return re.sub(r"\bm\.", "", text).replace("'", "")


def attribute_docs(kind: type) -> dict[str, str]:
    """Return the docstring of each attribute: the text below it, or a comment `#:` beside it."""
    body = tree_of(kind).body
    found = dict(
        re.findall(r"^    (\w+)\b[^\n]*?  #: (.+)$", inspect.getsource(kind), re.MULTILINE)
    )
    for node, after in pairwise(body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if is_text and isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            found[ast.unparse(target)] = " ".join(inspect.cleandoc(after.value.value).split())
    return found


def annotations_of(kind: type) -> dict[str, str]:
    return {
        node.target.id: type_text(node.annotation)
        for base in reversed(kind.__mro__)
        if base.__module__.startswith("fillbook")
        for node in tree_of(base).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def default_text(default: Any) -> str | None:
    """Return a default as text; None: there is none."""
    if default is NOTHING:
        return None
    if isinstance(default, Factory):  # type: ignore[arg-type]
        made = None if default.takes_self else default.factory()
        return "by the other fields" if made is None else f"{type(made).__name__}()"
    if isinstance(default, enum.Enum):
        return f"{type(default).__name__}.{default.name}"
    return re.sub(r"Decimal\('([^']*)'\)", r"\1", repr(default))


# -- directives ------------------------------------------------------------------------


def directive(kind: str, name: str, content: str, *, level: int = 3, **options: str | None) -> str:
    """Return a directive of the Python domain."""
    fence = ":" * level
    head = [f"{fence}{{py:{kind}}} {name}"]
    # As JSON, because a value such as '' would be read as YAML.
    head += [f":{option}: {json.dumps(value)}" for option, value in options.items() if value]
    return "\n".join([*head, "", content.strip(), fence])


def function(name: str, made: Callable[..., Any], kind: str = "function") -> str:
    node = tree_of(inspect.unwrap(made))
    if node.args.args and node.args.args[0].arg == "self":
        node.args.args.pop(0)
    if node.args.posonlyargs and node.args.posonlyargs[0].arg == "self":
        node.args.posonlyargs.pop(0)
    returned = type_text(node.returns)
    signature = f"{name}({type_text(node.args)})" + (f" -> {returned}" if returned else "")
    return directive(kind, signature, markdown(made.__doc__ or ""))


def members(kind: type, prefix: str) -> str:
    """Return the public methods and properties of a class, its bases included."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("fillbook")]
    found = {name: value for base in ours for name, value in vars(base).items()}
    parts = []
    for name, value in found.items():
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            parts.append(prop(name, value))
        elif inspect.isfunction(value):
            parts.append(function(name, value, "method"))
    about = "\n\n".join([markdown(kind.__doc__ or ""), *parts])
    return directive("class", prefix, about, level=4)


def prop(name: str, value: property) -> str:
    returned = type_text(tree_of(value.fget).returns)
    return directive("property", name, markdown(value.__doc__ or ""), type=returned)


def value(kind: type) -> str:
    """Return a class with its attributes."""
    parts = [markdown(kind.__doc__ or "")]
    parts += enum_members(kind) if issubclass(kind, enum.Enum) else attributes(kind)
    parts += [
        prop(name, each)
        for name, each in vars(kind).items()
        if isinstance(each, property) and not name.startswith("_")
    ]
    text = "\n\n".join(part for part in parts if part)
    return f"## `{kind.__name__}`\n\n" + directive("class", kind.__name__, text, level=4)


def enum_members(kind: type[enum.Enum]) -> Iterator[str]:
    notes = attribute_docs(kind)
    for each in kind:
        yield directive("attribute", each.name, notes.get(each.name, ""), value=repr(each.value))


def attributes(kind: type) -> Iterator[str]:
    notes, types = attribute_docs(kind), annotations_of(kind)
    defaults = {x.name: x.default for x in fields(kind)} if has(kind) else {}
    for name, typed in types.items():
        if not name.startswith("_"):
            default = default_text(defaults.get(name, NOTHING))
            yield directive("attribute", name, notes.get(name, ""), type=typed, value=default)


# -- parts -----------------------------------------------------------------------------


def public(page: str) -> list[type]:
    """Return the classes of a page of values, by name."""
    found = (getattr(fb, name) for name in sorted(fb.__all__))
    return [each for each in found if isinstance(each, type) and page_of(each) == page]


def values(kinds: Iterable[type]) -> str:
    return "\n\n".join(value(kind) for kind in kinds)


def functions() -> str:
    made = (fb.open, fb.open_async, fb.read, fb.check, fb.plan_rebalance, fb.read_trades)
    return "\n\n".join(function(each.__name__, each) for each in made)


def errors() -> str:
    kinds = [
        each
        for name in sorted(fb.__all__)
        if isinstance(each := getattr(fb, name), type) and issubclass(each, Exception)
    ]
    return "\n\n".join(
        directive("exception", each.__name__, markdown(each.__doc__ or "")) for each in kinds
    )


PARTS: dict[str, Callable[[], str]] = {
    "functions": functions,
    "desk": lambda: members(fb.Desk, "Desk"),
    "async": lambda: directive("class", "AsyncDesk", markdown(fb.AsyncDesk.__doc__ or "")),
    "book": lambda: members(fb.Book, "Book"),
    "broker": lambda: members(fb.Broker, "Broker"),
    "sink": lambda: members(Sink, "Sink"),
    "store": lambda: members(fb.Store, "Store"),
    "errors": errors,
    "adapters": lambda: values(getattr(m, name) for name in OF_ADAPTERS),
    **{page: lambda page=page: values(public(page)) for page in PAGES},  # type: ignore[misc]
}


def filled(text: str) -> str:
    """Return a page with its parts of the reference."""
    return re.sub(r"<!-- api: (\w+) -->", lambda part: PARTS[part[1]](), text)
