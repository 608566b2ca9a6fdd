"""Carries a plan out from the command line, where no desk ticks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Final

from attrs import frozen
from cyclopts import Parameter

from fillbook import errors
from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.plans import show
from fillbook.cli.record.positions_table import not_covered
from fillbook.clock import Clock, SystemClock
from fillbook.desk import Desk
from fillbook.desk.record.book import Book

#: The pause between two ticks, in seconds.
PAUSE_S: Final = 0.25
#: So many of the newest orders of a symbol are searched for those of a close.
_ORDERS_READ: Final = 50
WaitOption = Annotated[
    float,
    Parameter(
        name="--wait",
        show_default=True,
        help="Seconds to carry the plan out; afterwards a desk that ticks goes on with it.",
    ),
]
WAIT_S: Final = 10.0


#: The states of exits that the next passes may still change.
_LACKING: Final = frozenset({m.CoverState.NAKED, m.CoverState.PARTLY, m.CoverState.UNKNOWN})


@frozen
class Followed:
    """
    A plan as it stands, the protections of its symbols, and their other running plans.

    `orders` are those of a close, oldest first; `currency` is that of the account, if known.
    """

    plan: m.Plan
    protections: tuple[m.Protection, ...]
    running: tuple[m.Plan, ...]
    orders: tuple[m.Order, ...] = ()
    currency: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the plan is done in full, and nothing lacks an exit."""
        return self.plan.is_fulfilled and all(x.is_covered for x in self.protections)

    def may_advance(self, clock: Clock) -> bool:
        """Return whether another tick may change it now."""
        plan = self.plan
        if plan.state is m.PlanState.PROPOSED:
            return False
        if plan.is_final:
            return bool(self.running) or any(x.cover in _LACKING for x in self.protections)
        begins = plan.begins_at
        return begins is None or m.moment(begins) <= clock.now()


def follow(desk: Desk, plan: m.Plan, wait_s: float) -> Followed:
    """
    Tick until the plan has ended and its symbols have their exits, or *wait_s* have passed.

    While another desk of the record ticks, only that one carries plans out.  A plan that waits for
    an approval, or for the open, is returned at once.
    """
    if wait_s < 0:
        raise errors.InvalidValue(f"--wait takes seconds, not {wait_s}")
    clock, pause = SystemClock(), threading.Event()
    end = clock.elapsed() + timedelta(seconds=wait_s)
    while (found := _read(desk, plan)).may_advance(clock) and clock.elapsed() < end:
        desk.tick()
        clock.wait(pause, PAUSE_S)
    return found


def _read(desk: Desk, plan: m.Plan) -> Followed:
    present = plan if plan.is_final else desk.plan(plan.plan_id)
    kept = (x for x in desk.protections() if x.symbol in plan.symbols)
    others = (x for x in desk.plans(m.PlanState.RUNNING) if x.plan_id != plan.plan_id)
    running = (x for x in others if set(x.symbols) & set(plan.symbols))
    orders, currency = _orders_of(desk, present), desk.book.status().currency
    return Followed(present, tuple(kept), tuple(running), orders, currency)


def _orders_of(desk: Desk, plan: m.Plan) -> tuple[m.Order, ...]:
    """Return the orders that a close has placed, among the newest of its symbol."""
    if plan.kind is not m.PlanKind.CLOSE:
        return ()
    keys = {plan.step_key(i) for i in range(len(plan.steps))}
    found = desk.book.orders(symbol=plan.symbols[0], limit=_ORDERS_READ, newest=True)
    return tuple(x for x in reversed(found) if x.key in keys)


def print_outcome(found: Followed, *, json: bool) -> int:
    """Print a plan and what became of it; return 0 if it is done, else 1."""
    if json:
        output.as_json({"plan": found.plan, "protections": found.protections})
    else:
        show.plan_details(found.plan, found.currency)
        lines = [
            *show.outcome(found.plan),
            *show.fills(found.orders),
            *not_covered(found.protections),
        ]
        for line in lines:
            output.out.print(line, soft_wrap=True)
    return 0 if found.is_done else 1


def print_dry_run(plan: m.Plan, book: Book, *, json: bool) -> int:
    """Print a plan that is neither stored nor sent; *book* is of its record."""
    if json:
        output.as_json({"plan": plan})
    else:
        show.plan_details(plan, book.status().currency, is_stored=False)
        output.out.print("Dry run: nothing was stored or sent.")
    return 0


def progress(desk: Desk, kind: m.PlanKind) -> Callable[[m.Event], None]:
    """Return what prints each step of the plans of *kind* on standard error when it changes."""
    currency = desk.book.status().currency

    def report(event: m.Event) -> None:
        news = event.plan
        if news is None or news.step is None:
            return
        plan = desk.plan(news.plan_id)
        if plan.kind is not kind:
            return
        what = show.describe_action(plan.steps[news.step].action, currency)
        why = f": {news.why}" if news.why else ""
        output.err.print(
            f"{news.step + 1} of {len(plan.steps)} {output.cell(news.what)}: "
            f"{output.cell(what)}{output.cell(why) if why else ''}",
            soft_wrap=True,
        )

    return report
