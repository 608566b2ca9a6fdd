"""The intent of an order, to open or to close a position."""

from __future__ import annotations

from fillbook import model as m
from tests.venue.exchange.floor import Day

K = m.RejectKind


def test_the_intent_of_an_order_fits_the_position_or_is_refused() -> None:
    """Only one that is said: https://github.com/alpacahq/Alpaca-API/issues/250."""
    day = Day()
    refused = day.refusal(side="sell", closes=True)
    assert (refused.status, refused.code, refused.kind) == (422, 42210000, K.NO_POSITION)
    assert "inferred: sell_to_open, specified: sell_to_close" in refused.message
    assert day.worked(closes=False).status == "filled"
    refused = day.refusal(side="sell", closes=False)
    assert "inferred: sell_to_close, specified: sell_to_open" in refused.message
    assert day.worked(side="sell", closes=True).status == "filled"
    day.account.enforces_intent = False
    assert day.worked(side="sell", closes=True).status == "filled"
    day.account.enforces_intent = True
    assert day.worked(side="buy", closes=True).status == "filled"
