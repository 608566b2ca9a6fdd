"""
Closing positions: `close_position` as a plan, and `flatten` as one plan a symbol.

Other half: `core.plans.close`.  Outside the session of shares the plan is stored, and begins at the
open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from attrs import frozen

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.checks import broker_rules
from fillbook.core.plans.close import IsTaken, close_steps
from fillbook.core.plans.exits.cover import ExitGroup, attributed, exit_groups
from fillbook.core.send_permission import Authority
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.planning import Planning, trading_period
from fillbook.desk.record.exit_reader import exits_of
from fillbook.desk.record.recorder import Recorder
from fillbook.model import ZERO
from fillbook.store import Reader


class Closing:
    """Closes positions."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        market: Market,
        executor: Executor,
        planning: Planning,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._market = market
        self._executor = executor
        self._planning = planning
        self._clock = clock

    def close_position(
        self,
        symbol: str,
        strategy: str | None,
        qty: Decimal | None,
        *,
        account: bool,
        dry_run: bool,
    ) -> m.Plan:
        """
        Close a part of a position at the market; return the plan, which has begun.

        The same call while that plan waits for the open, or runs, returns it.

        Raises: Denied (no_position) if nothing is held; InvalidValue if several strategies hold it
        and none is named, or if less than *qty* is held.
        """
        with self._recorder.store.read() as reader:
            parts = self._parts(reader, symbol, strategy, account=account)
            steps: list[m.PlanStep] = []
            for name, held in parts.items():
                steps += self._steps(reader, symbol, name, held, qty)
        begins_at, valid_for = trading_period(
            self._market, self._gateway.pair(symbol), self._clock.now()
        )
        wanted = "all" if qty is None else m.plain(qty)
        scope = "/account" if account else f"/{strategy or ''}"
        occasion = f"close/{symbol}{scope}/{wanted}"
        plan = self._planning.plan(
            m.PlanKind.CLOSE,
            occasion,
            (symbol,),
            steps,
            authority=Authority.STANDING,
            strategy=strategy,
            begins_at=begins_at,
            valid_for=valid_for,
            why=f"close {wanted} of {symbol}" + (f" ({strategy})" if strategy else ""),
        )
        if dry_run:
            return plan
        self._gateway.require_trading_enabled()
        made = self._planning.make(plan)
        with self._recorder.store.read() as reader:
            same = reader.find(m.Plan, "occasion", occasion)
        self._executor.carry_out(*(x.plan_id for x in same))
        with self._recorder.store.read() as reader:
            found = {x.plan_id: x for x in reader.find(m.Plan, "occasion", occasion)}
        return found.get(made or "") or max(found.values(), key=lambda x: x.generation)

    def flatten(self, strategy: str, *, dry_run: bool) -> list[m.Plan]:
        """Close all parts of a strategy: one plan a symbol, in their order; [] if it has none."""
        with self._recorder.store.read() as reader:
            held = sorted(
                x.symbol
                for x in reader.all(m.Position)
                if any(name == strategy and part.qty for name, part in x.by_strategy)
            )
        return [
            self.close_position(x, strategy, None, account=False, dry_run=dry_run) for x in held
        ]

    def _parts(
        self, reader: Reader, symbol: str, strategy: str | None, *, account: bool
    ) -> dict[str, Decimal]:
        """Return what is to be closed, by strategy, in signed base units."""
        held = pairs.holding_of(reader, symbol)
        position = reader.get(m.Position, held) or m.Position(symbol=held)
        parts = {name: part.qty for name, part in position.by_strategy if part.qty}
        if strategy is not None:
            parts = {name: x for name, x in parts.items() if name == strategy}
        if not parts:
            of = "" if strategy is None else f" of strategy {strategy!r}"
            text = f"there is no position in {symbol}{of} to close"
            raise self._planning.no_position(symbol, text)
        if len(parts) > 1 and not account:
            listed = ", ".join(
                f"{name or 'no strategy'}: {m.plain(x)}" for name, x in parts.items()
            )
            no_name = 'no strategy is "", on the command line --strategy ""'
            raise errors.InvalidValue(
                f"{symbol} is held by several strategies ({listed}): name one ({no_name}), or "
                "close them all with account=True"
            )
        return parts

    def _steps(
        self, reader: Reader, symbol: str, strategy: str, held: Decimal, qty: Decimal | None
    ) -> tuple[m.PlanStep, ...]:
        side = m.OrderSide.SELL if held > 0 else m.OrderSide.BUY
        wanted = abs(held) if qty is None else qty
        if wanted > abs(held):
            raise errors.InvalidValue(
                f"only {m.plain(abs(held))} {symbol} are held; {m.plain(wanted)} cannot be closed"
                + self._planning.record_note()
            )
        found = resting_exits(reader, symbol, side, strategy, self._gateway.broker.capabilities)
        request = pairs.with_time_in_force(
            m.OrderRequest(
                symbol=symbol, side=side, qty=wanted, strategy=strategy or None, reduce_only=True
            ),
            self._gateway.pair(symbol),
            self._gateway.broker.capabilities,
        )
        close = m.PlaceOrder(request, fills=True)
        can_replace = self._gateway.broker.capabilities.replace
        return found.steps_of_close(close, abs(held), can_replace=can_replace)


@frozen
class RestingExits:
    """
    The exits that hold units of a part of a position, whole.

    `portions` are the units that each holds of this part, by its name: one that was placed by hand
    may cover several parts.  `again` are the requests that place them again, in forms that
    `is_taken`.  `filled` is what the orders of those of this part alone filled already, by name of
    the group and by order.
    """

    groups: tuple[ExitGroup, ...]
    portions: Mapping[str, Decimal]
    again: Mapping[str, m.OrderRequest]
    filled: Mapping[str, Mapping[str, Decimal]]
    is_taken: IsTaken

    @m.exact
    def steps_of_close(
        self,
        close: m.PlaceOrder,
        held: Decimal,
        canceled: Sequence[str] = (),
        *,
        can_replace: bool = False,
    ) -> tuple[m.PlanStep, ...]:
        """Return the steps of *close*; *held* > 0 is the part, *canceled* ends without them."""
        groups = [x for x in self.groups if x.name not in canceled]
        own = sum((self.portions[x.name] for x in groups), ZERO)
        beyond = sum((x.leaves for x in groups), ZERO) - own
        return close_steps(
            close,
            held + beyond,
            max(ZERO, held - own),
            groups,
            self.again,
            self.filled,
            is_taken=self.is_taken,
            can_replace=can_replace,
        )


def resting_exits(
    reader: Reader, symbol: str, side: m.OrderSide, strategy: str, can: m.Capabilities
) -> RestingExits:
    """
    Return the live orders of *side* that hold units of the part of *strategy*.

    Those of a protection are not placed again: they are planned anew.
    """
    name = pairs.holding_of(reader, symbol)
    position = reader.get(m.Position, name) or m.Position(symbol=name)
    shares = {x: max(ZERO, -side.sign * part.qty) for x, part in position.by_strategy}
    records = [
        x
        for s in pairs.symbols_held_as(reader, name)
        for x in reader.find(m.OrderRecord, "followed", s)
    ]
    protections = [x for x in reader.all(m.Protection) if x.symbol == symbol]
    ours = exits_of(reader, records, protections)
    found = exit_groups(side, [x.order for x in records if x.requests or x.ids], ours)
    part = attributed({strategy: ZERO, **shares}, found)[strategy]
    portions = {x.name: x.leaves for x in part}
    groups = tuple(x for x in found if x.name in portions)
    filled: dict[str, dict[str, Decimal]] = {}
    for group in groups:
        if portions[group.name] == group.leaves:
            filled[group.name] = {
                x.client_order_id: x.order.filled_qty
                for x in records
                if x.order.side is side and group.name in (x.client_order_id, x.parent)
            }
    is_taken = partial(
        broker_rules.is_taken,
        capabilities=can,
        instrument=reader.get(m.Instrument, symbol),
        pair=reader.get(m.Pair, symbol),
    )
    return RestingExits(groups, portions, _again(records, groups), filled, is_taken)


def _again(
    records: Sequence[m.OrderRecord], groups: Sequence[ExitGroup]
) -> dict[str, m.OrderRequest]:
    """Return the requests that place the exits without a protection again, by name of the group."""
    by_name = {x.client_order_id: x for x in records}
    found = {}
    for group in groups:
        record = by_name.get(group.name)
        if record is None or group.is_ours:
            continue
        terms, fields = record.terms, dict[str, object]()
        if group.stop is not None and group.limit is not None:
            fields = {
                "take_profit": group.limit,
                "stop_loss": group.stop,
                "order_class": m.OrderClass.OCO,
                "type": m.OrderType.LIMIT,
            }
        elif terms.trail_price is not None or terms.trail_percent is not None:
            fields = {"trail_price": terms.trail_price, "trail_percent": terms.trail_percent}
            fields = {name: x for name, x in fields.items() if x is not None}
        else:
            fields = {"stop_price": terms.stop_price, "limit_price": terms.limit_price}
        found[group.name] = m.OrderRequest(
            symbol=terms.symbol,
            side=terms.side,
            qty=group.leaves,
            time_in_force=terms.time_in_force,
            strategy=record.strategy,
            **fields,  # type: ignore[arg-type]
        )
    return found
