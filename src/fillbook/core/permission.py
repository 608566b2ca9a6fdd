"""
Who may have something sent: warrant and permission, one table (promise P11).

Two permissions, neither of which widens the other.  *Armed*: what the bot asks for may
leave; so it is wherever no real money moves, and else with ``live=True``.  *Repairs*:
what we found and nobody asked for.  The table is total, and is asked once for each
request, by `desk.link.gateway`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from fillbook.model.orders.instruction import Authority as Authority


class Repairs(StrEnum):
    """What is done about what we find."""

    OBSERVE = "observe"  #: it is told
    APPROVE = "approve"  #: it is told, with what would set it right
    AUTO = "auto"  #: it is set right


class Permission(StrEnum):
    """What becomes of a request."""

    SEND = "send"
    PROPOSE = "propose"
    REFUSE = "refuse"


_W, _R, _P = Authority, Repairs, Permission

#: By warrant, whether the desk is armed, and what may be repaired.
PERMISSIONS: Final[Mapping[tuple[Authority, bool, Repairs], Permission]] = {
    **{(asked, True, any_): _P.SEND for asked in (_W.ORDER, _W.STANDING) for any_ in _R},
    **{(asked, False, any_): _P.REFUSE for asked in (_W.ORDER, _W.STANDING) for any_ in _R},
    (_W.REPAIR, True, _R.OBSERVE): _P.REFUSE,
    (_W.REPAIR, True, _R.APPROVE): _P.PROPOSE,
    (_W.REPAIR, True, _R.AUTO): _P.SEND,
    (_W.REPAIR, False, _R.OBSERVE): _P.REFUSE,
    (_W.REPAIR, False, _R.APPROVE): _P.PROPOSE,
    (_W.REPAIR, False, _R.AUTO): _P.PROPOSE,  # armed is the wider word: auto does not widen it
}
