"""
The scan: where a broker finds no order by client order id, all orders are listed instead.

One chain of pages answers for every unconfirmed create: all orders, of any status, since shortly
before the oldest of them.  It counts as "not found" only if every page was read, the bound account
was read in the same pass, and it shows every order of ours that is known since then: a list that
lacks one of those may lack others.  Other half: `core.orders.unconfirmed`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import unconfirmed
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.orders.recently_sent import last_number_before
from fillbook.desk.orders.tracker import Tracker, created_since, flattened
from fillbook.desk.orders.unconfirmed_requests import Inquiries
from fillbook.desk.record.recorder import Recorder

#: A scan answers for every unconfirmed create: a younger one is not repeated.
VALID_FOR: Final = timedelta(seconds=1)


class OrderScan:
    """Lists the orders of the account, to find the unconfirmed creates among them."""

    def __init__(
        self,
        recorder: Recorder,
        account_link: AccountLink,
        tracker: Tracker,
        inquiries: Inquiries,
        clock: Clock,
    ) -> None:
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._inquiries = inquiries
        self._clock = clock
        self._begun: timedelta | None = None

    def run(self) -> None:
        """Scan, and note for every unconfirmed create what the scan proves."""
        begun = self._clock.elapsed()
        sought = {x.client_order_id: x for x in self._tracker.tracked() if is_sought(x)}
        sends = {x: self._inquiries.of_order(record).sends for x, record in sought.items()}
        is_valid = self._begun is not None and begun - self._begun < VALID_FOR
        listed = None if is_valid or not sought else self._list(sought.values())
        if not is_valid:
            self._begun = begun
        now = self._clock.elapsed()
        for name in sought:
            self._inquiries.change(name, lambda x: unconfirmed.with_query(x, now))
        if listed is None or not self._shows_known(listed, sought.values()):
            return
        found = self._found(sought)
        for name in sought.keys() - found:
            # The list is no evidence about a create that another thread or desk sent meanwhile.
            self._inquiries.change(
                name,
                lambda x, n=sends[name]: (  # type: ignore[misc]
                    unconfirmed.with_not_found(x, begun) if x.sends == n else x
                ),
            )

    def _found(self, sought: Iterable[str]) -> set[str]:
        """Return those of *sought* that a report shows: of our id there may be an older order."""
        with self._recorder.store.read() as reader:
            records = [reader.get(m.OrderRecord, name) for name in sought]
        return {x.client_order_id for x in records if x is not None and x.ids}

    def read_hinted(self, record: m.OrderRecord) -> None:
        """
        Read the order that the reply to a create named, if the reply was no report.

        The id is a hint: it counts if the order bears our client order id, and was not created
        before the create; with terms that contradict ours it is disputed.  An id that is not found
        proves nothing, because a broker may list an order later than it accepts it.
        """
        for hint in dict.fromkeys(x.hint for x in record.requests if x.hint is not None):
            number = self._tracker.snapshot_number()
            answer = self._tracker.read_report(hint)
            match answer:
                case m.Observed(report) if report.client_order_id == record.client_order_id:
                    self._recorder.record(m.Reported(report, m.ReportSource.BY_ID, number))
                case _:
                    pass

    def _list(self, sought: Collection[m.OrderRecord]) -> tuple[m.OrderReport, ...] | None:
        """List all orders since the oldest of *sought*, and record them; None: not all was read."""
        if not isinstance(self._account_link.read(), m.Observed):
            return None  # they may be the orders of another account
        number = self._tracker.snapshot_number()
        answer = self._tracker.orders_since(created_since(sought))
        if isinstance(answer, m.NotObserved):
            return None
        source = m.ReportSource.LIST
        self._recorder.record(*(m.Reported(x, source, number) for x in answer.value))
        return answer.value

    def _shows_known(
        self, listed: Sequence[m.OrderReport], sought: Collection[m.OrderRecord]
    ) -> bool:
        """Whether *listed* has every order of ours that is known since the oldest of *sought*."""
        since = min(x.created_at for x in sought)
        with self._recorder.store.read() as reader:
            entries = (x.entry for x in reader.journal(last_number_before(reader, since)))
            intents = [x.intent for x in entries if isinstance(x, m.Intended)]
            names = {x.client_order_id for x in intents if x.at >= since}
            known = [x for name in names if (x := reader.get(m.OrderRecord, name)) is not None]
        return unconfirmed.shows_all(flattened(listed), known)


def is_sought(record: m.OrderRecord) -> bool:
    """Return whether a scan is to find *record*: its create may have left, no report shows it."""
    is_unproven = record.order.status is m.OrderStatus.UNPROVEN
    return is_unproven and record.intent is not None and bool(record.requests)
