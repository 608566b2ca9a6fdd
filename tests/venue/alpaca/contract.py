"""
Alpaca's own description of its API, as far as we serve it, compared with every reply.

`contract.json` is theirs (see its header) and unchanged. Where the service is known to reply
otherwise, `DIFFERS` has the difference and its reason; nothing else may differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import requests
import schemathesis

#: An error's body, which is not in the description.
_ERROR: Final = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
_STRANGER: Final = {
    "type": "object",
    "properties": {"message": {"type": "string"}},
    "required": ["message"],
    "additionalProperties": False,
}
_EXCHANGES: Final = ["AMEX", "ARCA", "BATS", "NYSE", "NASDAQ", "NYSEARCA", "OTC", "CRYPTO", ""]
_DAY_OR_TIME: Final = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d"}

#: Corrections of the description, with the reason: replies of the service that it lacks.
DIFFERS: Final = (
    (
        "components/schemas/Exchange/enum",
        _EXCHANGES,
        "coins are of the exchange CRYPTO (FTXU until 2022), which the list has not",
    ),
    ("components/schemas/ExchangeForPosition/enum", _EXCHANGES, "the same"),
    (
        "components/schemas/NonTradeActivities/properties/date",
        _DAY_OR_TIME,
        "rows bear a date (2022-08-12), as all published samples do, and no time",
    ),
    (
        "components/schemas/PositionClosedReponse/properties/body",
        {"anyOf": [{"$ref": "#/components/schemas/Order"}, _ERROR]},
        "a position that could not be closed has the error in the order's place",
    ),
    (
        "components/schemas/TradingActivities/required",
        ["transaction_time"],
        "else every row is a trade, and none is 'one of' a trade and another activity",
    ),
    (
        "components/schemas/NonTradeActivities/required",
        ["date"],
        "the same from the other side",
    ),
)

#: Statuses that every path may return, and their source; the description has few of them.
ALWAYS: Final = (
    ("400", _ERROR, "a body that is no JSON object"),
    ("401", _STRANGER, "no or wrong keys; the one error without a code"),
    ("403", _ERROR, "funds, shares, wash trades, permissions"),
    ("404", _ERROR, "no such order, position or asset"),
    ("422", _ERROR, "what cannot be meant or done"),
    ("429", _ERROR, "the budget"),
    ("504", _ERROR, "a gateway's time-out"),
)
#: Replies of the gateway before the service, which is not described.
NOT_THE_SERVICE: Final = frozenset({307, 405, 502})


def described(differs: Iterable[tuple[str, Any, str]] = DIFFERS) -> dict[str, Any]:
    """The description, with the known differences."""
    made: dict[str, Any] = json.loads(Path(__file__).with_name("contract.json").read_text("utf-8"))
    for path, value, _ in differs:
        *parts, last = path.split("/")
        place = made
        for part in parts:
            place = place[part]
        place[last] = value
    for methods in made["paths"].values():
        for operation in (each for each in methods.values() if "responses" in each):
            for status, schema, why in ALWAYS:
                body = {"application/json": {"schema": schema}}
                operation["responses"][status] = {"description": why, "content": body}
    return made


class Contract:
    """The description with which every reply is compared."""

    def __init__(self, differs: Iterable[tuple[str, Any, str]] = DIFFERS) -> None:
        made = described(differs)
        self.schema = schemathesis.openapi.from_dict(made)
        # The plain paths first, so that none matches another's parameter.
        self._paths = sorted(
            ((re.compile(re.sub(r"{\w+}", ".+", path)), path) for path in made["paths"]),
            key=lambda each: "{" in each[1],
        )
        self.operations = {
            (method.upper(), path)
            for path, methods in made["paths"].items()
            for method, operation in methods.items()
            if "responses" in operation
        }

    def name(self, response: requests.Response) -> tuple[str, str] | None:
        """Method and path of the operation of a reply; None if it is not described."""
        path = (response.request.path_url or "").partition("?")[0]
        found = next((known for pattern, known in self._paths if pattern.fullmatch(path)), None)
        return None if found is None else (response.request.method or "", found)

    def hold(self, response: requests.Response, *_: object, **__: object) -> None:
        """Raises: AssertionError or an exception group, for what the description forbids."""
        name = self.name(response)
        if name is None or response.status_code in NOT_THE_SERVICE:
            return
        operation = self.schema[name[1]][name[0]]
        known = operation.definition.raw["responses"]
        assert str(response.status_code) in known, f"{response.status_code} of {name}"
        operation.validate_response(response)


CONTRACT: Final = Contract()
