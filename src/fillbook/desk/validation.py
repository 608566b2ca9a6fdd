"""
Validation of the arguments that a bot passes to the desk.

Each function returns the valid value or raises InvalidValue; until then nothing is read,
written or sent.  `model.orders.request` validates the fields of an order request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.core.checks import CHECKS, Check
from fillbook.core.plans.exits.triggers import sentence_of_impossible
from fillbook.desk.record.settings import Prices
from fillbook.errors import InvalidValue
from fillbook.model.text.arguments import require_known

#: The maximum timeout.
WAIT_MAX_S: Final = 30 * 86_400
KEY_MAX: Final = 200
#: The band of a rebalance that names none, as a share of the base.
BAND: Final = Decimal("0.001")
#: No broker has an account or an order from before.
_FIRST_DAY: Final = date(1970, 1, 2)


def request(value: m.OrderRequest) -> m.OrderRequest:
    """Return an order request unchanged. Raises: InvalidValue."""
    if not isinstance(value, m.OrderRequest):
        raise InvalidValue(f"submit needs an OrderRequest, not {value!r}; or call buy or sell")
    return value


def request_from_fields(symbol: str, side: m.OrderSide, fields: m.OrderFields) -> m.OrderRequest:
    """Build a request from a symbol, a side and the other fields. Raises: InvalidValue."""
    require_known(fields, {*m.OrderFields.__annotations__, "key"})
    return m.OrderRequest(symbol=symbol, side=side, **fields)


def key(value: str | None) -> str | None:
    """Return an idempotency key. Raises: InvalidValue."""
    if value is None:
        return None
    # Text with a lone surrogate can be neither stored nor hashed.
    if not isinstance(value, str) or not 0 < len(value) <= KEY_MAX or _is_unencodable(value):
        raise InvalidValue(f"key must be a text of 1 to {KEY_MAX} characters; not {_shown(value)}")
    if value.startswith(m.PLAN_KEY):
        raise InvalidValue(f"key must not start with {m.PLAN_KEY!r}: such keys are those of plans")
    return value


def text(name: str, value: str) -> str:
    """Return a text that is not empty. Raises: InvalidValue."""
    if not isinstance(value, str) or not value.strip() or _is_unencodable(value):
        raise InvalidValue(f"{name} must be a text, not {_shown(value)}")
    return value


def checks(value: Sequence[Check] | None) -> tuple[Check, ...]:
    """Return the pre-trade checks. Raises: InvalidValue."""
    if value is None:
        return CHECKS
    if not isinstance(value, Sequence) or not all(callable(each) for each in value):
        raise InvalidValue(
            f"checks must be functions of a request and a context, not {_shown(value)}"
        )
    return tuple(value)


def limits(value: m.Limits | None) -> m.Limits:
    """Return the risk limits. Raises: InvalidValue."""
    if value is not None and not isinstance(value, m.Limits):
        raise InvalidValue(f"limits must be Limits, not {_shown(value)}")
    return m.Limits() if value is None else value


def thresholds(value: m.Thresholds | None) -> m.Thresholds:
    """Return the thresholds of alerts. Raises: InvalidValue."""
    if value is not None and not isinstance(value, m.Thresholds):
        raise InvalidValue(f"thresholds must be Thresholds, not {_shown(value)}")
    return m.Thresholds() if value is None else value


def sinks(value: Sequence[Sink]) -> tuple[Sink, ...]:
    """Return the sinks of alerts. Raises: InvalidValue."""
    if not isinstance(value, Sequence) or not all(callable(each) for each in value):
        raise InvalidValue(f"alerts must be functions of one Alert, not {_shown(value)}")
    return tuple(value)


def prices(value: Prices | None) -> Prices | None:
    """Return the bot's price function. Raises: InvalidValue."""
    if value is not None and not callable(value):
        raise InvalidValue(f"prices must be a function of one symbol, not {_shown(value)}")
    return value


def order(value: m.Order | str) -> m.Order | str:
    """Return an order or its id. Raises: InvalidValue."""
    if not isinstance(value, m.Order | str):
        raise InvalidValue(f"order must be an Order or its client_order_id, not {_shown(value)}")
    return value


def assigned(value: m.Order | m.Movement | str) -> m.Order | m.Movement | str:
    """Return what is assigned to a strategy. Raises: InvalidValue."""
    if not isinstance(value, m.Order | m.Movement | str):
        raise InvalidValue(
            f"only an order, a movement or a symbol can be assigned, not {_shown(value)}"
        )
    return value


def resolution(outcome: str) -> m.OrderStatus:
    """Return the status in which a person ends an order. Raises: InvalidValue."""
    if outcome != m.OrderStatus.ABSENT:
        raise InvalidValue(f'outcome must be "absent", not {_shown(outcome)}')
    return m.OrderStatus.ABSENT


def day(since: date | None) -> date | None:
    """Return the first day to read, not before the first account. Raises: InvalidValue."""
    if isinstance(since, datetime):
        raise InvalidValue(
            f"since must be a date, not the datetime {since}; give its .date() in UTC"
        )
    if since is not None and not isinstance(since, date):
        raise InvalidValue(f"since must be a date such as date(2026, 1, 5), not {_shown(since)}")
    return None if since is None else max(since, _FIRST_DAY)


def first_moment(since: date | datetime) -> date | datetime:
    """Return the day, or the aware time, from which trades count. Raises: InvalidValue."""
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise InvalidValue(f"since must have a time zone, or be a date; not {since}")
        return since
    found = day(since)
    if found is None:
        raise InvalidValue("since must be a date or a time with a zone, not None")
    return found


def seconds(name: str, value: float) -> float:
    """Return a timeout. Raises: InvalidValue."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= WAIT_MAX_S:  # NaN fails every comparison
        raise InvalidValue(f"{name} must be 0 to {WAIT_MAX_S} seconds, not {_shown(value)}")
    return value


def optional_flag(name: str, value: bool | None) -> bool | None:
    """Return True, False or None. Raises: InvalidValue."""
    if value is not None and not isinstance(value, bool):
        raise InvalidValue(f"{name} must be True, False or None, not {_shown(value)}")
    return value


def event_kind(value: m.EventKind | str) -> m.EventKind:
    """Return a kind of event. Raises: InvalidValue."""
    if not isinstance(value, str) or value not in list(m.EventKind):
        raise InvalidValue(
            f"the event must be one of {', '.join(m.EventKind)}; not {_shown(value)}"
        )
    return m.EventKind(value)


def repairs(value: str | Mapping[str, object] | m.RepairPolicy | None) -> m.RepairPolicy:
    """Return what is done about differences. Raises: InvalidValue."""
    return m.repair_policy(value)


def flag(name: str, value: bool) -> bool:
    """Return True or False. Raises: InvalidValue."""
    if not isinstance(value, bool):
        raise InvalidValue(f"{name} must be True or False, not {_shown(value)}")
    return value


def strategy(value: str | None) -> str | None:
    """Return the name of a strategy; ``""`` is the part without one. Raises: InvalidValue."""
    return value if value in (None, "") else text("strategy", value)


def exit_policy(value: m.ExitPolicy | None) -> m.ExitPolicy | None:
    """Return the policy of the desk's exits. Raises: InvalidValue."""
    if value is not None and not isinstance(value, m.ExitPolicy):
        raise InvalidValue(f"exits must be an ExitPolicy, not {_shown(value)}")
    if value is not None and (wrong := sentence_of_impossible(value, 0)):
        raise InvalidValue(f"exits: {wrong}")
    return value


def exit_policy_of(fields: m.ExitFields) -> m.ExitPolicy:
    """Return the policy of those fields. Raises: InvalidValue."""
    require_known(fields, {*m.ExitFields.__annotations__, "strategy", "pending", "dry_run"})
    try:
        return m.ExitPolicy(**fields)
    except InvalidValue:
        raise
    except (TypeError, ValueError) as error:  # a value that is not of its enum
        raise InvalidValue(str(error)) from None


def targets(value: m.Targets | Mapping[str, m.Number]) -> m.Targets:
    """Return targets; those without a kind are weights. Raises: InvalidValue."""
    return value if isinstance(value, m.Targets) else m.Targets(weights=value)


def rebalance_rules(fields: m.RebalanceFields, capital: Decimal | None) -> m.RebalanceRules:
    """
    Return the rules of those fields; without a band it is `BAND`. Raises: InvalidValue.

    The trades of a plan cost a part of the base: without a band, a second plan would trade that.
    """
    require_known(fields, {*m.RebalanceFields.__annotations__, "strategy", "capital", "dry_run"})
    wanted: m.RebalanceFields = {"band": BAND, **fields}
    try:
        return m.RebalanceRules(**wanted, capital=capital)
    except InvalidValue:
        raise
    except (TypeError, ValueError) as error:  # a value that is not of its enum
        raise InvalidValue(str(error)) from None


def above_zero(name: str, value: Decimal | int | str | float | None) -> Decimal | None:
    """Return a number above zero; None stays None. Raises: InvalidValue."""
    found = _number_named(name, value)
    if found is not None and found <= 0:
        raise InvalidValue(f"{name} must be above zero, not {m.plain(found)}")
    return found


def cost_method(value: str) -> m.CostMethod:
    """Return a cost method. Raises: InvalidValue."""
    if value not in list(m.CostMethod):
        raise InvalidValue(f"cost must be one of {', '.join(m.CostMethod)}; not {_shown(value)}")
    return m.CostMethod(value)


def callback(value: Callable[[m.Event], None]) -> Callable[[m.Event], None]:
    """Return a callback of events. Raises: InvalidValue."""
    if not callable(value):
        raise InvalidValue(f"on needs a function of one event, not {_shown(value)}")
    return value


def quantities(
    ours: Mapping[str, Decimal | int | str | float], resolve: Callable[[str], str] = m.symbol_of
) -> dict[str, Decimal]:
    """
    Return the positions that the bot expects, as exact numbers by symbol; *resolve* finds it.

    Raises: InvalidValue, also for one symbol under two names.
    """
    if not isinstance(ours, Mapping):
        raise InvalidValue(f"ours must be a mapping of symbols to quantities, not {_shown(ours)}")
    found: dict[str, Decimal] = {}
    for name, qty in ours.items():
        symbol = resolve(m.symbol_of(name))
        if symbol in found:
            raise InvalidValue(f"{name} is {symbol}, which ours has under another name too")
        found[symbol] = _number_named(f"ours, {name}", qty) or m.ZERO
    return found


def _number_named(name: str, value: Decimal | int | str | float | None) -> Decimal | None:
    """Convert a number; the error has its *name*. Raises: InvalidValue."""
    try:
        return m.number_or_none(value)
    except InvalidValue as error:
        raise InvalidValue(f"{name}: {error}") from None


def _is_unencodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _shown(value: object) -> str:
    """Return *value* as ASCII text of at most 61 characters, for a message."""
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
