"""What an exchange does at fixed times: it opens its sessions, and posts the fees of a day."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from fillbook.venue.exchange.client import Account
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.timeline import Timeline

_DAY: Final = timedelta(days=1)


def schedule_openings(
    timeline: Timeline, accounts: Collection[Account], match: Callable[[], None]
) -> None:
    """Schedule the next opening (regular, extended, overnight), which matches open orders."""
    now = timeline.now()
    extended = sessions.current_or_next(now).extended_opens
    opens = (
        sessions.next_opening(now, extended=False),
        extended,
        sessions.next_overnight_open(now),
    )

    def on_open() -> None:
        for account in accounts:
            account.trading.recall()
        match()
        schedule_openings(timeline, accounts, match)

    timeline.call_at(min(at for at in opens if at > now), on_open)


def schedule_fees(timeline: Timeline, accounts: Collection[Account]) -> None:
    """Schedule the posting of crypto fees at the end of the day, UTC."""

    def post() -> None:
        for account in accounts:
            account.history.post_fees()
        schedule_fees(timeline, accounts)

    timeline.call_at(datetime.combine(timeline.now().date() + _DAY, datetime.min.time(), UTC), post)
