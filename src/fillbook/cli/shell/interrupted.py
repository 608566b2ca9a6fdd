"""What is known of the orders of a command that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fillbook import model as m
from fillbook.cli.shell.terminal import WRITTEN
from fillbook.desk import Desk
from fillbook.desk.record.book import Book


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; `known` are the lines of what the record has of the command's orders and plans."""

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__()
        self.known: tuple[str, ...] = tuple(known)


@contextmanager
def reporting(desk: Desk) -> Iterator[Desk]:
    """Pass the desk on; if the block is interrupted, read what its record has of it."""
    newest = desk.book.journal(limit=1, newest=True)
    since = newest[0].number if newest else 0
    try:
        yield desk
        WRITTEN.desks += 1
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted(known_since(desk.book, since)) from None


def known_since(book: Book, since: int) -> list[str]:
    """Return a line for each order and plan that the entries above *since* are about."""
    orders: dict[str, None] = {}
    plans: dict[str, None] = {}
    for each in book.journal(since):
        match each.entry:
            case m.Intended(intent):
                orders[intent.client_order_id] = None
            case m.Commanded(name) | m.Instructed(name):
                orders[name] = None
            case m.PlanMade(plan):
                plans[plan.plan_id] = None
            case m.PlanMoved(plan_id):
                plans[plan_id] = None
            case _:
                pass
    lines = [_of_order(book.record(name)) for name in orders]
    lines += [_of_plan(book.plan(name)) for name in plans]
    halted = book.status().halted
    return lines if halted is None else [*lines, f"the kill switch is set: {halted}"]


def _of_order(record: m.OrderRecord) -> str:
    order, terms = record.order, record.terms
    size = f"{m.plain(terms.qty)} {terms.symbol}" if terms.qty is not None else terms.symbol
    what = f"order {order.client_order_id} ({terms.side} {size})"
    last = record.requests[-1] if record.requests else None
    is_asked = last is not None and last.answer in (None, m.AnswerKind.AMBIGUOUS)
    if last is None:
        return f"{what}: {order.status}; nothing was sent"
    if order.pending is not None:
        return (
            f"{what}: {order.status}; its {order.pending} has no confirmed outcome yet, and the "
            "next `fillbook sync` queries it"
        )
    if is_asked and not order.is_final and last.command is m.Command.SEND:
        return (
            f"{what}: sent, no reply yet; it may be at the broker. Do not place it again: the next "
            "`fillbook sync` queries it"
        )
    filled = f", filled {m.plain(order.filled_qty)}" if order.filled_qty else ""
    return f"{what}: {order.status}{filled}"


def _of_plan(plan: m.Plan) -> str:
    text = f"plan {plan.plan_id} ({plan.why}): {plan.state}"
    if plan.is_final:
        return text
    return f"{text}; a desk that ticks carries it out: the bot, or `fillbook watch --tick`"
