"""
The door: what a bot hands to the desk is what it should be, or InvalidValue says so.

Nothing has been asked, written or sent when one of these raises.  What a *request* may say
is `model.orders.order`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.core.checks import CHECKS, Check
from fillbook.core.permission import Repairs
from fillbook.desk.record.settings import Prices
from fillbook.errors import InvalidValue

#: Nobody waits for longer than this.
WAIT_MAX_S: Final = 30 * 86_400
KEY_MAX: Final = 200


def asked(request: m.OrderRequest) -> m.OrderRequest:
    """A request as it is. Raises: InvalidValue."""
    if not isinstance(request, m.OrderRequest):
        raise InvalidValue(f"submit takes an OrderRequest, not {request!r}; or call buy or sell")
    return request


def request_of(symbol: str, side: m.OrderSide, fields: m.OrderFields) -> m.OrderRequest:
    """A request from a symbol, a side and the other fields by name. Raises: InvalidValue."""
    unknown = sorted(fields.keys() - m.OrderFields.__annotations__.keys())
    if unknown:
        raise InvalidValue(f"an order has no field {', '.join(unknown)}; see OrderRequest")
    return m.OrderRequest(symbol=symbol, side=side, **fields)


def key(word: str | None) -> str | None:
    """The bot's own word for an order. Raises: InvalidValue."""
    if word is None:
        return None
    # A lone surrogate is text that no store and no hash takes.
    if not isinstance(word, str) or not 0 < len(word) <= KEY_MAX or _is_broken(word):
        raise InvalidValue(f"key takes text of 1 to {KEY_MAX} characters; not {_short(word)}")
    return word


def text(name: str, words: str) -> str:
    """A sentence. Raises: InvalidValue."""
    if not isinstance(words, str) or not words.strip() or _is_broken(words):
        raise InvalidValue(f"{name} takes text, not {_short(words)}")
    return words


def guards(checks: Sequence[Check] | None) -> tuple[Check, ...]:
    """Checks to run before an order. Raises: InvalidValue."""
    if checks is None:
        return CHECKS
    if not isinstance(checks, Sequence) or not all(callable(each) for each in checks):
        raise InvalidValue(f"checks takes functions of a request and a world, not {_short(checks)}")
    return tuple(checks)


def limits(bounds: m.Limits | None) -> m.Limits:
    """What new risk may be taken. Raises: InvalidValue."""
    if bounds is not None and not isinstance(bounds, m.Limits):
        raise InvalidValue(f"limits takes Limits, not {_short(bounds)}")
    return m.Limits() if bounds is None else bounds


def thresholds(limits: m.Thresholds | None) -> m.Thresholds:
    """From when on something is alerted. Raises: InvalidValue."""
    if limits is not None and not isinstance(limits, m.Thresholds):
        raise InvalidValue(f"thresholds takes Thresholds, not {_short(limits)}")
    return m.Thresholds() if limits is None else limits


def sinks(told: Sequence[Sink]) -> tuple[Sink, ...]:
    """Where alerts go. Raises: InvalidValue."""
    if not isinstance(told, Sequence) or not all(callable(each) for each in told):
        raise InvalidValue(f"alerts takes functions of one Alert, not {_short(told)}")
    return tuple(told)


def prices(told: Prices | None) -> Prices | None:
    """A bot's own prices. Raises: InvalidValue."""
    if told is not None and not callable(told):
        raise InvalidValue(f"prices takes a function of one symbol, not {_short(told)}")
    return told


def order(named: m.Order | str) -> m.Order | str:
    """An order or its id. Raises: InvalidValue."""
    if not isinstance(named, m.Order | str):
        raise InvalidValue(f"order takes an Order or its client_order_id, not {_short(named)}")
    return named


def day(since: date | None) -> date | None:
    """The day from which to read. Raises: InvalidValue."""
    if isinstance(since, datetime):
        raise InvalidValue(f"since takes a day, not the moment {since}; give its .date() in UTC")
    if since is not None and not isinstance(since, date):
        raise InvalidValue(f"since takes a date like date(2026, 1, 5), not {_short(since)}")
    return since


def seconds(name: str, length: float) -> float:
    """How long to wait. Raises: InvalidValue."""
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    if not is_number or not 0 <= length <= WAIT_MAX_S:  # NaN is in no range
        raise InvalidValue(f"{name} takes seconds from 0 to {WAIT_MAX_S}, not {_short(length)}")
    return length


def kind(word: m.EventKind | str) -> m.EventKind:
    """A kind of event. Raises: InvalidValue."""
    if not isinstance(word, str) or word not in list(m.EventKind):
        raise InvalidValue(f"there are events {', '.join(m.EventKind)}; not {_short(word)}")
    return m.EventKind(word)


def repairs(word: str | None) -> Repairs:
    """What may be repaired. Raises: InvalidValue."""
    if not isinstance(word, str) or word not in list(Repairs):
        raise InvalidValue(f"repairs takes {', '.join(Repairs)}; not {_short(word)}")
    return Repairs(word)


def call(back: Callable[[m.Event], None]) -> Callable[[m.Event], None]:
    """What is to be called with an event. Raises: InvalidValue."""
    if not callable(back):
        raise InvalidValue(f"on takes a function of one event, not {_short(back)}")
    return back


def beliefs(ours: Mapping[str, Decimal | int | str | float]) -> dict[str, Decimal]:
    """
    What a bot believes it holds, with exact numbers and the record's spelling.

    Raises: InvalidValue.
    """
    if not isinstance(ours, Mapping):
        raise InvalidValue(f"ours takes quantities by symbol, not {_short(ours)}")
    return {m.symbol_of(symbol): m.number(qty) for symbol, qty in ours.items()}


def _is_broken(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return True
    return False


def _short(value: object) -> str:
    """Some of what was handed over, so that its owner knows it again."""
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
