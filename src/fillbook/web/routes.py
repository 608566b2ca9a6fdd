"""
The routes of the service, as a table: path, permission, parameters, answer.

The OpenAPI document and the tests of permissions are made from it.  Nothing here places an order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.model.account.instruction import AccountInstruction
from fillbook.model.account.token import Scope
from fillbook.model.journal.status import Status
from fillbook.web import commands, reads
from fillbook.web.call import PAGE, SINCE, STRATEGY, SYMBOL, Answer, Call, Parameter, choice, flag
from fillbook.web.values import Access, AuditRow, DriftRow, OrderDetails, PositionRow

#: What is before every path of a book.
BASE: Final = "/api/v1/accounts/{book}"


@frozen
class Rule:
    """
    What a token needs: the scope, and with `account` also the scope ACCOUNT.

    Without `account`, a token of strategies is shown what belongs to these.
    """

    scope: Scope
    account: bool = False


@frozen(kw_only=True)
class Endpoint:
    """
    One route.

    `returns` is the type of the answer, or of its rows if `is_list`.  `statuses` are those of an
    answer that is no error, `problems` those of errors beside the common ones.
    """

    method: str
    path: str
    rule: Rule
    serve: Callable[[Call], Answer]
    returns: Any
    is_list: bool = False
    query: Sequence[Parameter] = ()
    why: bool = False  #: it has a body with the reason
    slow: bool = False  #: it reads the whole record: one at a time
    statuses: tuple[int, ...] = (200,)
    problems: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name of the operation."""
        return self.serve.__name__


_READ: Final = Rule(Scope.READ)
_ACCOUNT: Final = Rule(Scope.READ, account=True)
_LISTED: Final = (SYMBOL, STRATEGY, *PAGE)


def _get(
    path: str, rule: Rule, serve: Callable[[Call], Answer], returns: Any, **kw: Any
) -> Endpoint:
    return Endpoint(method="GET", path=path, rule=rule, serve=serve, returns=returns, **kw)


def _instruct(
    method: str, path: str, scope: Scope, serve: Callable[[Call], Answer], **kw: Any
) -> Endpoint:
    kw = {"returns": AccountInstruction, "statuses": (200, 202), **kw}
    is_on_account = scope is not Scope.CANCEL
    return Endpoint(method=method, path=path, rule=Rule(scope, is_on_account), serve=serve, **kw)


ENDPOINTS: Final[Sequence[Endpoint]] = (
    _get("/status", _ACCOUNT, reads.status, Status),
    _get("/access", _READ, reads.access, Access),
    _get(
        "/orders",
        _READ,
        reads.orders,
        m.Order,
        is_list=True,
        query=(flag("open", "Only open orders; false: only final ones."), *_LISTED),
    ),
    _get("/orders/{id}", _READ, reads.order, OrderDetails, problems=(404,)),
    _get("/fills", _READ, reads.fills, m.Movement, is_list=True, query=_LISTED),
    _get("/positions", _READ, reads.positions, PositionRow, is_list=True, query=(STRATEGY,)),
    _get("/trades", _READ, reads.trades, m.Trade, is_list=True, query=_LISTED),
    _get(
        "/pnl",
        _READ,
        reads.pnl,
        m.PnlReport,
        slow=True,
        query=(
            SINCE,
            STRATEGY,
            choice("by", ("symbol", "strategy", "day"), "What a row is about; else strategy."),
            choice("cost", ("average", "fifo"), "Which cost sold units have; else average."),
        ),
    ),
    _get("/buying-power", _ACCOUNT, reads.buying_power, m.BuyingPower),
    _get("/drift", _ACCOUNT, reads.drift, DriftRow, is_list=True),
    _get(
        "/plans",
        _ACCOUNT,
        reads.plans,
        m.Plan,
        is_list=True,
        query=(choice("state", list(m.PlanState), "Only plans in this state."),),
    ),
    _get("/protections", _ACCOUNT, reads.protections, m.Protection, is_list=True, query=(SYMBOL,)),
    _get("/events", _READ, reads.events, m.Event, is_list=True, query=(STRATEGY, *PAGE)),
    _get("/audit", _ACCOUNT, reads.audit, AuditRow, is_list=True, query=PAGE),
    _get("/instructions/{number}", _READ, reads.instruction, AccountInstruction, problems=(404,)),
    _instruct(
        "DELETE", "/orders/{id}", Scope.CANCEL, commands.cancel, returns=m.Order, problems=(404,)
    ),
    _instruct("POST", "/orders/{id}/sync", Scope.CANCEL, commands.sync, problems=(404,)),
    _instruct("POST", "/plans/{id}/approve", Scope.PLANS, commands.approve, problems=(404, 409)),
    _instruct(
        "POST", "/plans/{id}/reject", Scope.PLANS, commands.reject, why=True, problems=(404, 409)
    ),
    _instruct("POST", "/halt", Scope.HALT, commands.halt, why=True),
    _instruct("POST", "/resume", Scope.HALT, commands.resume),
)

#: The stream of events, which is served by `fillbook.web.stream`.
STREAM: Final = "/events/stream"
STREAM_RULE: Final = _READ
#: What `/metrics` needs.
METRICS_RULE: Final = _ACCOUNT
