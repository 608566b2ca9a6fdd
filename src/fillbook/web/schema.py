"""
JSON Schemas of values, from the types of their fields: what `codec.to_json` writes, described.

A Decimal is the text of its value, a time ISO text, an enum its value; a union of classes has the
name of the class under ``"_type"``; a None that is the default is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import attrs

from fillbook.codec import TAG

Schema = dict[str, Any]

#: The schemas of values that are not composed.
_PLAIN: Final[dict[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Decimal: {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    datetime: {"type": "string"},
    date: {"type": "string", "format": "date"},
}


class Schemas:
    """The schemas of classes by name, each once; `definitions` are those that were referred to."""

    def __init__(self, prefix: str = "#/components/schemas/") -> None:
        self.definitions: dict[str, Schema] = {}
        self._prefix = prefix

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; classes and enums become references."""
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        if hasattr(kind, "__supertype__"):
            return self.of(kind.__supertype__)
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            return self._union(kind)
        if origin is tuple:
            return self._tuple(get_args(kind))
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            words = [str(x.value) for x in kind]
            return self._named(kind.__name__, lambda: {"type": "string", "enum": words})
        if isinstance(kind, type) and attrs.has(kind):
            return self._named(kind.__name__, lambda: self._class(kind))
        raise TypeError(f"{kind!r} has no schema")

    def _named(self, name: str, make: Callable[[], Schema]) -> Schema:
        if name not in self.definitions:
            self.definitions[name] = {}  # a class may refer to itself
            self.definitions[name] = make()
        return {"$ref": f"{self._prefix}{name}"}

    def _class(self, kind: type[Any], tag: str | None = None) -> Schema:
        attrs.resolve_types(kind)
        fields = attrs.fields(kind)
        properties = {x.name: self.of(x.type) for x in fields}
        required = [x.name for x in fields if x.default is not None]
        if tag is not None:
            properties[TAG] = {"const": tag}
            required.append(TAG)
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _union(self, kind: Any) -> Schema:
        parts = get_args(kind)
        classes = [x for x in parts if attrs.has(x)]
        if len(classes) < 2:
            return {"anyOf": [self.of(x) for x in parts]}
        tagged = [
            self._named(f"{x.__name__}Tagged", lambda x=x: self._class(x, x.__name__))  # type: ignore[misc]
            for x in classes
        ]
        return {"oneOf": tagged + [self.of(x) for x in parts if x is NoneType]}

    def _tuple(self, parts: tuple[Any, ...]) -> Schema:
        if parts[-1] is Ellipsis:
            return {"type": "array", "items": self.of(parts[0])}
        return {
            "type": "array",
            "prefixItems": [self.of(x) for x in parts],
            "minItems": len(parts),
            "maxItems": len(parts),
        }
