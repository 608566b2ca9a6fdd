"""Orders before a replace, and their outcome."""

from fillbook import model as m
from tests.bench import unable

S = m.OrderStatus
TOTAL = unable(replace_qty=m.ReplaceQty.TOTAL)


def resting(bench, **wish):
    """An order that the exchange works; one that is only accepted cannot be replaced."""
    order = bench.resting(**wish)
    bench.clock.advance(1)
    return bench.desk.sync(order=order) and bench.desk.book.order(order)


def living(bench):
    """The live orders of ours at the exchange."""
    return [x for x in bench.ours() if not x.is_final]


def settled(bench, order):
    """Let time pass until the outcome of the replace is known."""
    bench.pass_(300)
    return bench.desk.book.order(order)


def planned(bench, qty=15):
    """
    A change by cancel-and-new whose old order is final, and whose new order is not placed yet.
    """
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.desk.replace(order, qty=qty)
    return order
