"""Errors as problem documents (RFC 9457), with the codes of fillbook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from attrs import define

from fillbook import errors

MEDIA_TYPE: Final = "application/problem+json"


@define(kw_only=True, eq=False)
class Problem(Exception):
    """
    An answer that is an error.

    `code` is ours, `detail` says what happened and what to do; it never quotes a token.
    """

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = {}

    def body(self) -> bytes:
        """Return the document."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return json.dumps(document, ensure_ascii=True).encode()


#: The errors of fillbook that a request may cause, with their statuses and codes.
_KNOWN: Final[tuple[tuple[type[errors.FillbookError], int, str], ...]] = (
    (errors.UnknownOrder, 404, "unknown_order"),
    (errors.UnknownPlan, 404, "unknown_plan"),
    (errors.UnknownSymbol, 404, "unknown_symbol"),
    (errors.NotPermitted, 403, "not_permitted"),
    (errors.PlanEnded, 409, "plan_ended"),
    (errors.InvalidValue, 400, "invalid_value"),
    (errors.StoreError, 503, "store_unavailable"),
)


def problem_of(error: errors.FillbookError) -> Problem | None:
    """Return the problem of an error of fillbook; None: it is a bug."""
    for kind, status, code in _KNOWN:
        if isinstance(error, kind):
            detail = "the record cannot be read or written now" if status == 503 else str(error)
            return Problem(status=status, code=code, detail=detail)
    return None


def not_found(what: str) -> Problem:
    """Return the problem for something that is not there."""
    return Problem(status=404, code="not_found", detail=what)


def invalid(detail: str) -> Problem:
    """Return the problem for a wrong parameter or body."""
    return Problem(status=400, code="invalid_value", detail=detail)


SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
    "additionalProperties": False,
}
