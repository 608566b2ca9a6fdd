"""The names of arguments: a call refuses one that it does not have, and names the similar one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from types import FunctionType
from typing import ParamSpec, TypeVar

from fillbook.errors import InvalidValue

P = ParamSpec("P")
T = TypeVar("T")


def require_known(given: Iterable[str], known: Iterable[str]) -> None:
    """Check that every argument that was *given* by name is *known*. Raises: InvalidValue."""
    names = sorted(known)
    unknown = sorted(set(given).difference(names))
    if unknown:
        raise InvalidValue("; ".join(_sentence(name, names) for name in unknown))


def _sentence(name: str, known: list[str]) -> str:
    similar = get_close_matches(name, known, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"the arguments are {', '.join(known)}"
    return f"unknown argument {name!r}; {hint}"


def named(call: Callable[P, T]) -> Callable[P, T]:
    """Return *call*, which refuses arguments that it does not have. Raises: InvalidValue."""
    code = call.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    known = frozenset(x for x in names if x != "self")

    @functools.wraps(call)
    def checked(*args: P.args, **given: P.kwargs) -> T:
        if not known.issuperset(given):
            require_known(given, known)
        return call(*args, **given)

    return checked


def with_named_fields(cls: type[T]) -> type[T]:
    """Return the class of values *cls*, whose fields are checked as by `named`."""
    setattr(cls, "__init__", named(cls.__init__))  # noqa: B010
    return cls


def with_named_arguments(cls: type[T]) -> type[T]:
    """Return *cls*, whose public methods are checked as by `named`, except for open fields."""
    for name, method in list(vars(cls).items()):
        takes_fields = isinstance(method, FunctionType) and method.__code__.co_flags & _VAR_KEYWORD
        if isinstance(method, FunctionType) and not name.startswith("_") and not takes_fields:
            setattr(cls, name, named(method))
    return cls


#: CO_VARKEYWORDS of `inspect`: the function has ``**fields``, which it checks by itself.
_VAR_KEYWORD = 0x08
