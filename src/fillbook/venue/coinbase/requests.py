"""
The requests of clients, parsed as strictly as Coinbase does: unknown fields are refused.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.errors import InvalidValue
from fillbook.venue.coinbase.switches import Behavior
from fillbook.venue.exchange import Account, Exchange, Refused

Json = dict[str, Any]
#: The fields of an object: each is of a type, or an object itself.
Schema = Mapping[str, "type | Mapping[str, Any]"]

#: How the parser names the types of fields.
_TYPES: Final = {str: "string", bool: "bool", list: "list"}
_NUMERAL: Final = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")


def bad(error: str, details: str, status: int = 400) -> Refused:
    """Return a refusal with Coinbase's error body."""
    return Refused(status, 0, details, m.RejectKind.INPUT, {"error": error})


def not_found(details: str) -> Refused:
    return bad("NOT_FOUND", details, 404)


@frozen
class ApiRequest:
    """One request of one account; `query` may have a name several times."""

    exchange: Exchange
    account: Account
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    raw_body: bytes
    behavior: Behavior

    def body(self, fields: Schema) -> Json:
        """
        Return the JSON object of the body, which may have *fields* only.

        A field is a type, or the fields of an object.  Raises: Refused.
        """
        return _checked(self._json(), fields)

    def _json(self) -> Json:
        try:
            found = json.loads(self.raw_body or b"{}")
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise bad("unknown", "proto: syntax error: unexpected token")
        return found

    def subjects(self) -> frozenset[str]:
        """Return the symbols and ids of the request, for the fault plan."""
        ids = set(self.path.values()) | set(self.words("order_ids"))
        with suppress(Refused):
            body = self._json()
            ids |= {each for each in body.values() if isinstance(each, str)}
            listed = body.get("order_ids")
            ids |= {each for each in listed or () if isinstance(each, str)}
        found: set[str] = set()
        for each in ids:
            instrument = self.exchange.instrument(each)
            order = self.account.truth.get(each)
            found |= {each} if instrument is None else {instrument.symbol}
            found |= set() if order is None else {order.symbol, order.client_order_id}
        return frozenset(found)

    def word(self, name: str) -> str | None:
        """Return the last value of the query's *name*; None: there is none, or it is empty."""
        return next((v for n, v in reversed(self.query) if n == name and v), None)

    def words(self, name: str) -> list[str]:
        """Return all values of the query's *name*."""
        return [v for n, v in self.query if n == name and v]

    def enums(self, name: str, known: Callable[[str], bool]) -> frozenset[str]:
        """Return all values of the query's *name*.  Raises: Refused if one is not *known*."""
        for word in self.words(name):
            if not known(word):
                field = name if name == "order_status" else name.removesuffix("s")
                raise bad("unknown", f'parsing field "{field}": "{word}" is not a valid value')
        return frozenset(self.words(name))

    def limit(self, default: int, most: int) -> int:
        text = self.word("limit")
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
            raise bad("INVALID_ARGUMENT", "limit must be a positive number")
        return min(int(text[:9]), most)

    def moment(self, name: str) -> m.Timestamp | None:
        text = self.word(name)
        if text is None:
            return None
        try:
            return m.timestamp(text.replace(" ", "+") if "T" in text else text)
        except InvalidValue:
            raise bad("unknown", f'parsing field "{name}": "{text[:40]}" is not a time') from None

    def symbol(self, product_id: str) -> str | None:
        """Return the exchange's symbol of a product; None: there is no such product."""
        found = self.exchange.instrument(product_id) if "-" in product_id else None
        return None if found is None else found.symbol


def _checked(found: Json, fields: Schema) -> Json:
    for position, (name, value) in enumerate(found.items()):
        if name not in fields:
            raise bad("unknown", f'proto: (line 1:{position + 2}): unknown field "{name}"')
        wanted = fields[name]
        if value is None:
            continue
        if isinstance(wanted, Mapping):
            if not isinstance(value, dict):
                raise bad("unknown", f"proto: (line 1:{position + 2}): unexpected token {value!r}")
            _checked(value, wanted)
        elif not isinstance(value, wanted):
            what = json.dumps(value)[:40]
            raise bad(
                "unknown",
                f"proto: (line 1:{position + 2}): invalid value for {_TYPES[wanted]} type: {what}",
            )
    return {name: value for name, value in found.items() if value is not None}


def amount(found: Mapping[str, Any], name: str) -> Decimal | None:
    """Return the number in *name*; None: it is missing or empty.  Raises: Refused."""
    text = found.get(name)
    if text is None or text == "":
        return None
    if not _NUMERAL.fullmatch(text) or len(text) > 40:
        raise Refused(
            200,
            0,
            "Non numeric order size",
            m.RejectKind.INPUT,
            {"reason": "UNKNOWN_FAILURE_REASON", "preview": "PREVIEW_NON_NUMERIC_ORDER_SIZE"},
        )
    return Decimal(text)
