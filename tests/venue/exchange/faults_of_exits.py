"""The faults that happen to exits: what each does, for the table of all faults."""

from fillbook import model as m
from fillbook.venue.exchange import Fault
from tests.venue.exchange.floor import Day


def canceled_at_night(day: Day) -> object:
    """The status after the cancel, and after the next open."""
    order = day.submit(limit_price="150", time_in_force="gtc")
    day.pass_(8 * 3600)
    day.faults.fail("asked-cancel", "cancel-at-open")
    day.account.cancel(order.id)
    day.pass_(3600)
    before = day.status(order.id)
    day.pass_(80 * 3600)  # over the weekend
    return before, day.status(order.id)


def freed_late(day: Day) -> object:
    """Why a second exit is refused after the first was canceled, and a moment later its status."""
    day.worked()
    stop = day.worked(side="sell", type="stop", stop_price="150", time_in_force="gtc")
    day.faults.fail("asked-cancel", "units-freed-late", seconds=3)
    day.account.cancel(stop.id)
    day.pass_(1)
    refused = day.refusal(side="sell")
    day.pass_(3)
    return day.status(stop.id), refused.kind, day.worked(side="sell").status


def shrinks_late(day: Day) -> object:
    """The other exit of the group after the first has filled, and a moment later."""
    day.worked()
    wish = {"side": "sell", "order_class": "oco", "type": "limit", "time_in_force": "gtc"}
    order = day.worked(take_profit="190", stop_loss="150", **wish)
    day.faults.fail("fill", "sibling-late", seconds=3)
    day.exchange.quote("AAPL", "191", "191.02")
    day.pass_(1)
    (leg,) = order.leg_ids
    before = day.status(order.id), day.status(leg)
    day.pass_(3)
    return before, day.status(leg)


#: By fault: what is done, and what it shows.
OF_EXITS = {
    Fault.CANCEL_AT_OPEN: (canceled_at_night, ("pending_cancel", "canceled")),
    Fault.UNITS_FREED_LATE: (freed_late, ("canceled", m.RejectKind.QTY_HELD, "filled")),
    Fault.SIBLING_LATE: (shrinks_late, (("filled", "held"), "canceled")),
}
