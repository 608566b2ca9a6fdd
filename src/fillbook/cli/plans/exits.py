"""`fillbook protect`, `unprotect` and `close`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from attrs import asdict, evolve, frozen
from cyclopts import Group, Parameter

from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    LiveOption,
    StoreOption,
    existing_store,
    named_options,
    of_strategy,
    open_desk,
    parse_duration,
)
from fillbook.cli.plans.follow import WAIT_S, WaitOption, follow, print_dry_run, print_outcome

_EXITS: Final = Group("Exits", sort_key=2)
#: The options by the field of an exit policy.
_OPTIONS: Final = {
    "stop_price": "--stop-price",
    "stop_loss": "--stop-loss",
    "take_profit": "--take-profit",
    "trail_after": "--trail-after",
    "break_even": "--break-even",
    "max_age_s": "--max-age",
    "cooldown_s": "--cooldown",
    "trail": "--trail",
    "account=True": "--account",
    "qty": "--qty",
}

SymbolName = Annotated[str, Parameter(help="The instrument: AAPL, BTC/USD.")]
PartOption = Annotated[
    str | None,
    Parameter(
        name="--strategy",
        help="Whose part of the position; may be omitted if only one strategy holds it.",
    ),
]
DryRun = Annotated[bool, Parameter(help="Only print the plan; stores and sends nothing.")]


@frozen(kw_only=True)
class ExitOptions:
    """The exits of a position; an omitted one does not exist."""

    stop_price: Annotated[
        str | None, Parameter(group=_EXITS, help="Stop price, per unit: 180.")
    ] = None
    stop_loss: Annotated[
        str | None, Parameter(group=_EXITS, help="Stop as a part of the average cost: 8%.")
    ] = None
    take_profit: Annotated[
        str | None,
        Parameter(group=_EXITS, help="Take-profit: a price (210) or a percentage (20%)."),
    ] = None
    trail: Annotated[
        str | None, Parameter(group=_EXITS, help="Trailing stop: a distance in price, or 5%.")
    ] = None
    trail_after: Annotated[
        str | None, Parameter(group=_EXITS, help="The trail begins at this price, or profit: 4%.")
    ] = None
    break_even: Annotated[
        str | None,
        Parameter(group=_EXITS, help="The stop moves to the cost at this price, or profit: 4%."),
    ] = None
    max_age_s: Annotated[
        str | None,
        Parameter(name="--max-age", group=_EXITS, help="Close it after this time: 5d, 8h, 90s."),
    ] = None
    cooldown_s: Annotated[
        str | None,
        Parameter(
            name="--cooldown", group=_EXITS, help="No new entry for this time after a stop: 30m."
        ),
    ] = None

    extended_hours: Annotated[
        bool,
        Parameter(
            group=_EXITS,
            help="If the market is beyond the stop already: also close in extended hours, by a "
            "limit order.",
        ),
    ] = False

    def given(self) -> dict[str, Any]:
        """Return the exits that are given, by name. Raises: InvalidValue."""
        found = {name: x for name, x in asdict(self).items() if x is not None}
        for name in ("max_age_s", "cooldown_s"):
            if name in found:
                found[name] = parse_duration(_OPTIONS[name], found[name])
        return found


def protect(
    symbol: SymbolName,
    /,
    *,
    exits: Annotated[ExitOptions, Parameter(name="*")] = ExitOptions(),
    strategy: PartOption = None,
    pending: Annotated[bool, Parameter(help="If nothing is held: protect the next entry.")] = False,
    wait: WaitOption = WAIT_S,
    dry_run: DryRun = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Set the exits of a position, and place them; the desk that ticks keeps them.

    A second call replaces the exits. An exit that rests at the broker already counts, whoever
    placed it: none is placed beside it (see fillbook assign). Exits with 1 if they are not placed
    yet, and says what is left.
    """
    with open_desk(broker, existing_store(store), live=live) as desk, named_options(_OPTIONS):
        with of_strategy(desk.book, strategy):
            plan = desk.protect(
                symbol, strategy=strategy, pending=pending, dry_run=dry_run, **exits.given()
            )
        if dry_run:
            return print_dry_run(plan, desk.book, json=json)
        if not plan.steps:
            # It is not stored, and says why nothing is to be done yet: the passes go on from there.
            plan = evolve(plan, state=m.PlanState.DONE)
        return print_outcome(follow(desk, plan, wait), json=json)


def unprotect(
    symbol: SymbolName,
    /,
    *,
    strategy: PartOption = None,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """End the protection of a position; its exits stay at the broker, and are kept no longer."""
    with open_desk(broker, existing_store(store), live=live) as desk:
        with of_strategy(desk.book, strategy):
            ended = desk.unprotect(symbol, strategy=strategy)
        left = desk.protections()
    if json:
        output.as_json(left)
    else:
        whose = output.cell(ended or "no strategy")
        output.out.print(
            f"Ended: the protection of {output.cell(symbol)} ({whose}). "
            "Its exits stay at the broker; fillbook cancel ends them.",
            soft_wrap=True,
        )
    return 0


def close(
    symbol: SymbolName,
    /,
    *,
    qty: Annotated[str | None, Parameter(help="Quantity in units; else all.")] = None,
    strategy: PartOption = None,
    account: Annotated[bool, Parameter(help="The parts of all strategies.")] = False,
    wait: WaitOption = WAIT_S,
    dry_run: DryRun = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Close a position at the market: cancel its exits, trade, and protect the rest again.

    Outside the session of shares the plan is stored, and begins at the open. Exits with 1 if the
    position is not closed yet, and says what is left.
    """
    with open_desk(broker, existing_store(store), live=live) as desk:
        with named_options(_OPTIONS), of_strategy(desk.book, strategy):
            plan = desk.close_position(
                symbol, strategy=strategy, qty=qty, account=account, dry_run=dry_run
            )
        if dry_run:
            return print_dry_run(plan, desk.book, json=json)
        return print_outcome(follow(desk, plan, wait), json=json)
