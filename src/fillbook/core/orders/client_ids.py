"""
The client order ids of our orders: at most 60 characters of ``[a-z0-9-]``.

The strategy comes first, readable at the broker.  Other half: `desk.orders.place`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from fillbook import model as m

#: A client order id with a strategy; that of a replace has a number behind it.
_TAGGED: Final = re.compile(
    re.escape(m.ID_PREFIX) + r"(?P<tag>[a-z0-9-]{1,20})-[0-9a-f]{32}(\.r[0-9]+)?"
)


def of_key(account: m.AccountId, strategy: str | None, key: str) -> str:
    """
    Derive the client order id from account, strategy and the idempotency key.

    So a key makes only one order, even if the record was lost.
    """
    parts = (str(account), strategy or "", key)
    seed = "".join(f"{len(part)}:{part}" for part in parts)  # unique for each triple
    return with_suffix(strategy, hashlib.sha256(seed.encode()).hexdigest()[:32])


def with_suffix(strategy: str | None, suffix: str) -> str:
    """Return the client order id of *strategy* that ends in *suffix*."""
    name = re.sub(r"[^a-z0-9]+", "-", (strategy or "").lower()).strip("-")[:20]
    return m.ID_PREFIX + "-".join(part for part in (name, suffix) if part)


def tag_of(client_order_id: str) -> str | None:
    """Return the strategy that a client order id shows, shortened; None: it shows none."""
    found = _TAGGED.fullmatch(client_order_id)
    return None if found is None else found["tag"]
