"""Descriptions of journal entries and of differences, for the command line and the page."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from fillbook import model as m
from fillbook.model.account.instruction import AccountInstructed, AccountInstructionClosed
from fillbook.model.account.token import TokenCreated, TokenRevoked
from fillbook.model.text.ids import short_id


def describe_drift(drift: m.Drift, book: str = "the record") -> tuple[str, str]:
    """Return the subject of a difference, and its description; *book* names our side."""
    match drift:
        case m.MissedFill(symbol, name, ours, theirs):
            return symbol, f"order {short_id(name)}: filled {_n(theirs)}, in the record {_n(ours)}"
        case m.OrderStatusDiffers(symbol, name, was, now):
            return symbol, f"order {short_id(name)}: status {now}, in the record {was}"
        case m.OrderTermsDiffer(symbol, name, field, ours, theirs):
            what = field.replace("_", " ")
            change = f"{what} {theirs or 'none'}, in the record {ours or 'none'}"
            return symbol, f"order {short_id(name)}: {change}"
        case m.UnknownToUs(symbol, name, side, qty, filled, status):
            asked = "" if qty is None else f" {_n(qty)}"
            return symbol, f"external {side} order{asked}, filled {_n(filled)}, {status}"
        case m.UnknownToBroker(symbol, name):
            text = "no longer found at the broker, which reported it before"
            return symbol, f"order {short_id(name)}: {text}"
        case m.ExternalTrade(symbol, _, _, qty, price):
            done = "bought" if qty > 0 else "sold"
            at = "" if price is None else f" at {_grouped(price)}"
            return symbol, f"external fill: {done} {_n(abs(qty))} {symbol}{at}"
        case m.HappenedWithoutTrade(symbol, kind, qty, ratio, cash):
            parts = [f"{kind}"]
            parts += [] if ratio is None else [f"{_n(ratio)} for 1"]
            parts += [] if not qty else [f"{_n(qty)} units"]
            parts += [] if not cash else [f"{_n(cash)} cash"]
            return symbol or "cash", " ".join(parts)
        case m.Phantom(symbol, ours):
            return symbol, f"{book} has {_n(ours)}, the broker 0"
        case m.Untracked(symbol, theirs):
            return symbol, f"the broker has {_n(theirs)}, {book} 0"
        case m.WrongQty(symbol, ours, theirs):
            return symbol, f"{book} has {_n(ours)}, the broker {_n(theirs)}"
        case m.EndedUnitsDiffer(symbol, difference):
            return symbol, f"a corporate action ended {_n(difference)} more than {book} had"
        case m.WrongCash(ours, theirs):
            return "cash", f"the record has {ours:,.2f}, the broker {theirs:,.2f}"
        case _:
            assert_never(drift)


def describe_entry(entry: m.Entry) -> tuple[str, str]:
    """Return the kind of an entry, and its subject."""
    match entry:
        case m.Bound(account):
            return "bound", str(account)
        case m.InstrumentListed(instrument):
            return "instrument", instrument.symbol
        case m.Intended(intent):
            wish = intent.request
            return "intended", f"{wish.side} {size_of(wish.qty, wish.notional)} {wish.symbol}"
        case m.Commanded(name, command):
            return f"request: {command}", short_id(name)
        case m.Answered(name, _, answer, message):
            return f"answer: {answer}", " ".join(x for x in (short_id(name), message) if x)
        case m.IntentDenied(name, reason):
            return "denied", f"{short_id(name)} {reason}"
        case m.ConcludedAbsent(name, answers):
            return "absent", f"{short_id(name)}, not found in {answers} queries"
        case m.ResolvedAbsent(name):
            return "absent", f"{short_id(name)}, resolved by a person"
        case m.NotFoundAfterSeen(name):
            return "not found at the broker", short_id(name)
        case m.Reported(report, source):
            shown = f"{report.terms.symbol} {report.raw_status} {_n(report.filled_qty)}"
            return f"report ({source})", shown
        case m.Executed(x):
            price = "?" if x.price is None else _n(x.price)
            return f"fill ({x.source})", f"{x.side} {_n(x.qty)} {x.symbol} at {price}"
        case m.Busted(bust):
            return f"bust ({bust.source})", short_id(bust.exec_id)
        case m.HistoryRead(broker_order_id):
            return "history read", short_id(broker_order_id)
        case m.DisputeSettled(broker_order_id, exec_ids):
            return "dispute settled", f"{short_id(broker_order_id)}: {_rows(exec_ids)}"
        case m.ActivityReported(activity):
            return str(activity.kind), f"{activity.symbol or ''} {activity.description}".strip()
        case m.BalanceAdjusted() | m.CashAdjusted() | m.PairListed() | m.Assigned():
            return _describe_holding(entry)
        case m.DriftFound(_, drift):
            return "drift confirmed", ": ".join(describe_drift(drift))
        case m.DriftCleared(key):
            return "drift cleared", key
        case m.Instructed(name, _, asked, authority, by=by):
            wanted = "cancel" if isinstance(asked, m.Cancel) else "replace"
            giver = authority if by is None else f"token {by}"
            return f"instruction: {wanted}", f"{short_id(name)} ({giver})"
        case m.InstructionClosed(name, _, why) | m.ChangeClosed(name, _, why):
            return "instruction closed", f"{short_id(name)}: {why}"
        case m.PlanMade() | m.PlanMoved() | m.StepMoved() | m.TradesSettled():
            return _describe_plan(entry)
        case m.ProtectionSet() | m.ProtectionEnded():
            return _describe_plan(entry)
        case AccountInstructed() | AccountInstructionClosed() | TokenCreated() | TokenRevoked():
            return _describe_access(entry)
        case m.Rebuilt(rules):
            return "record rebuilt", f"with rules version {rules}"
        case m.Alerted(alert):
            return f"alert: {alert.kind}", alert.message
        case _:
            assert_never(entry)


def _describe_holding(
    entry: m.BalanceAdjusted | m.CashAdjusted | m.PairListed | m.Assigned,
) -> tuple[str, str]:
    match entry:
        case m.BalanceAdjusted(symbol, qty, _, _, reason):
            return f"balance ({reason.lower()})", f"{_n(qty)} {symbol}"
        case m.PairListed(pair):
            return pair.symbol, f"trades {pair.base} for {pair.quote}"
        case m.CashAdjusted(amount, currency, _, reason):
            return f"balance ({reason.lower()})", f"{amount:,.2f} {currency}"
        case m.Assigned(strategy, name, movement, symbol):
            return f"assigned to {strategy or 'no strategy'}", movement or name or symbol or ""
        case _:
            assert_never(entry)


_PlanEntry = m.PlanMade | m.PlanMoved | m.StepMoved | m.ProtectionSet | m.ProtectionEnded


def _describe_plan(entry: _PlanEntry | m.TradesSettled) -> tuple[str, str]:
    match entry:
        case m.PlanMade(plan):
            return f"plan: {plan.state}", f"{plan.plan_id}: {plan.why}"
        case m.PlanMoved(plan_id, state, why, failed):
            return f"plan: {state}", f"{plan_id}: {failed or why}".removesuffix(": ")
        case m.StepMoved(plan_id, step, state, why):
            return f"plan step {step + 1}: {state}", f"{plan_id}: {why}".removesuffix(": ")
        case m.TradesSettled(trades):
            return "local trades settled", f"{len(trades)} rows"
        case m.ProtectionSet(x):
            return f"exits: {x.cover}", f"{x.symbol} {x.strategy}: {x.why}".removesuffix(": ")
        case m.ProtectionEnded(symbol, strategy, why):
            return "exits: ended", f"{symbol} {strategy}: {why}"
        case _:
            assert_never(entry)


def _describe_access(
    entry: AccountInstructed | AccountInstructionClosed | TokenCreated | TokenRevoked,
) -> tuple[str, str]:
    match entry:
        case AccountInstructed(action, by, about):
            return f"instruction: {action.replace('_', ' ')}", f"{about} (token {by})".strip()
        case AccountInstructionClosed(number, why, done):
            return f"instruction {'done' if done else 'failed'}", f"of entry {number}: {why}"
        case TokenCreated(token):
            return "token created", f"{token.token_id}: {', '.join(token.scopes)}"
        case TokenRevoked(token_id):
            return "token revoked", token_id
        case _:
            assert_never(entry)


def size_of(qty: Decimal | None, notional: Decimal | None) -> str:
    """Format the size of an order: its quantity, or the amount that it is for."""
    if notional is not None:
        return f"for {notional:,.2f} of"
    return _n(qty)


def _rows(exec_ids: tuple[str, ...] | None) -> str:
    return "as computed" if exec_ids is None else f"{len(exec_ids)} executions count"


def _grouped(price: Decimal) -> str:
    """Format a price with separators, and at least two decimals."""
    whole, _, decimals = f"{price:,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _n(value: Decimal | None) -> str:
    return "?" if value is None else m.plain(value)
