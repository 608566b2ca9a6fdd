"""
Permission: what may be sent, by authority and settings (promise P11).

There are two settings, and neither widens the other.  *Trading enabled*: the bot's requests may
be sent; it is the case wherever no real money moves, else with ``live=True``.  *RepairMode*: what
happens to requests that fillbook proposes itself.  The table is total; each request is decided
once, by `desk.link.gateway`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from fillbook.model.orders.instruction import Authority as Authority
from fillbook.model.repair import RepairMode


class Permission(StrEnum):
    """The result for one request."""

    SEND = "send"
    PROPOSE = "propose"
    REFUSE = "refuse"


_A, _R, _P = Authority, RepairMode, Permission

#: By authority, whether trading is enabled, and the setting for repairs.
PERMISSIONS: Final[Mapping[tuple[Authority, bool, RepairMode], Permission]] = {
    **{
        (authority, True, repairs): _P.SEND
        for authority in (_A.ORDER, _A.STANDING)
        for repairs in _R
    },
    **{
        (authority, False, repairs): _P.REFUSE
        for authority in (_A.ORDER, _A.STANDING)
        for repairs in _R
    },
    (_A.REPAIR, True, _R.OBSERVE): _P.REFUSE,
    (_A.REPAIR, True, _R.APPROVE): _P.PROPOSE,
    (_A.REPAIR, True, _R.AUTO): _P.SEND,
    (_A.REPAIR, False, _R.OBSERVE): _P.REFUSE,
    (_A.REPAIR, False, _R.APPROVE): _P.PROPOSE,
    (_A.REPAIR, False, _R.AUTO): _P.PROPOSE,  # AUTO does not enable trading
}
