"""
Decode Coinbase's wallets, fees and fills.

Pure, by the rules of `orders`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.brokers.coinbase.wire import enums, market
from fillbook.brokers.coinbase.wire.orders import listed, next_cursor
from fillbook.brokers.wire.fields import Row, array, row

#: Rows of this type are executions; a reversal or a correction must not be added to them.
_FILL_TYPES: Final = frozenset({"FILL", "SYNTHETIC"})
_REVERSAL: Final = "REVERSAL"


@frozen(kw_only=True)
class Wallet:
    """The wallet of one currency: `total` includes what open orders hold."""

    currency: str
    total: Decimal
    available: Decimal
    portfolio: str | None
    is_usable: bool  #: orders may use it


@frozen
class WalletPage:
    """A page of wallets, and the cursor of the next one; None: the last."""

    wallets: tuple[Wallet, ...]
    next: str | None


def wallet_page(raw: object) -> WalletPage:
    """Decode a page of wallets."""
    found = row(raw, "accounts")
    rows = array(found.fields.get("accounts"), "accounts")
    return WalletPage(tuple(_wallet(row(x, "wallet")) for x in rows), next_cursor(found))


def _wallet(found: Row) -> Wallet:
    currency = found.need_text("currency")
    found = Row(f"wallet {currency}", found.fields)
    available = _money(found, "available_balance")
    hold = m.ZERO if found.fields.get("hold") is None else _money(found, "hold")
    return Wallet(
        currency=currency,
        total=available + hold,
        available=available,
        portfolio=found.text("retail_portfolio_id"),
        is_usable=found.fields.get("active") is not False
        and found.fields.get("ready") is not False
        and not found.text("deleted_at"),
    )


def _money(found: Row, name: str) -> Decimal:
    inner = found.row(name)
    if inner is None:
        raise found.invalid(name, "an amount")
    return inner.need_number("value")


def permitted_portfolio(raw: object) -> str | None:
    """Decode the permissions of a key: the id of its portfolio; None: they name none."""
    return row(raw, "permissions").text("portfolio_uuid")


@frozen
class Fees:
    """The fee rates of an account, as shares of the value of a trade."""

    taker: Decimal | None
    maker: Decimal | None


def fees(raw: object) -> Fees:
    """Decode the summary of transactions."""
    tier = row(raw, "summary").row("fee_tier")
    if tier is None:
        return Fees(None, None)
    return Fees(tier.number("taker_fee_rate"), tier.number("maker_fee_rate"))


def portfolios(wallets: Iterable[Wallet]) -> set[str]:
    """Return the ids of the portfolios of *wallets*; older answers name none."""
    return {each.portfolio for each in wallets if each.portfolio is not None}


def valued(wallets: Iterable[Wallet]) -> list[str]:
    """Return the symbols whose prices value the coins of *wallets*."""
    return sorted(x.symbol for x in positions(wallets))


def snapshot(
    wallets: Collection[Wallet],
    quotes: Iterable[m.Quote],
    rates: Fees,
    account: m.AccountId,
) -> m.AccountSnapshot:
    """
    Return the account in dollars; cash of another currency is not part of its equity.

    A coin without a quote in dollars has no value here.
    """
    by_currency = {each.currency: each for each in wallets}
    cash = sorted(x.currency for x in wallets if x.currency in market.CASH)
    others = [by_currency[x] for x in cash if x != market.DOLLAR]
    dollars = by_currency.get(market.DOLLAR)
    prices: Mapping[str, Decimal] = {x.symbol: (x.bid + x.ask) / 2 for x in quotes}
    coins = sum((x.qty * prices.get(x.symbol, m.ZERO) for x in positions(wallets)), m.ZERO)
    own = m.ZERO if dollars is None else dollars.total
    unusable = [x for x in wallets if x.currency == market.DOLLAR and not x.is_usable]
    return m.AccountSnapshot(
        account=account,
        currency=market.DOLLAR,
        cash=own,
        equity=own + coins,
        buying_power=m.ZERO if dollars is None else dollars.available,
        blocked=("the USD wallet is not active",) if unusable else (),
        other_cash=tuple(m.Amount(x.total, x.currency) for x in others),
        other_buying_power=tuple(m.Amount(x.available, x.currency) for x in others),
        fee_rate=rates.taker,
        maker_fee_rate=rates.maker,
    )


def positions(wallets: Iterable[Wallet]) -> tuple[m.PositionSnapshot, ...]:
    """Return the wallets that are no cash and not empty, as positions."""
    return tuple(
        m.PositionSnapshot(market.holding(x.currency), x.total, x.available)
        for x in wallets
        if x.currency not in market.CASH and x.total
    )


@frozen
class FillPage:
    """
    A page of executions, newest first, and the cursor of the next one; None: the last.

    `trades` are the ids of their trades, and `reversed` those of trades that were taken back; the
    reversal may be on another page.
    """

    executions: tuple[m.Execution, ...]
    trades: tuple[str | None, ...]
    reversed: frozenset[str]
    next: str | None


def executions(pages: Collection[FillPage]) -> list[m.Execution]:
    """Return the executions of *pages*, oldest first, each once, without those taken back."""
    taken_back = {trade for page in pages for trade in page.reversed}
    rows = [
        execution
        for page in pages
        for execution, trade in zip(page.executions, page.trades, strict=True)
        if trade not in taken_back
    ]
    found = list({each.exec_id: each for each in rows}.values())
    found.reverse()
    found.sort(key=lambda each: each.at)
    return found


#: Returns the side of an order by its id; None: it is not known.
SideOf = Callable[[str], "m.OrderSide | None"]


def _not_known(order_id: str) -> None:
    return None


def fill_page(raw: object, side_of: SideOf = _not_known) -> FillPage:
    """
    Decode a page of fills; futures are left out.

    A fill whose side is a placeholder has that of its order.

    Raises: InvalidValue for a correction, whose meaning is not documented.
    """
    found = row(raw, "fills")
    rows = [row(each, "fill") for each in listed(found, "fills")]
    spot = [each for each in rows if market.is_spot(each.need_text("product_id").upper())]
    made = [each for each in spot if each.text("trade_type") != _REVERSAL]
    taken_back = (each.text("trade_id") for each in spot if each.text("trade_type") == _REVERSAL)
    for each in made:
        if (each.text("trade_type") or "FILL") not in _FILL_TYPES:
            raise each.invalid("trade_type", "FILL")
    return FillPage(
        executions=tuple(_execution(each, side_of) for each in made),
        trades=tuple(each.text("trade_id") for each in made),
        reversed=frozenset(trade for trade in taken_back if trade is not None),
        next=next_cursor(found),
    )


def _execution(found: Row, side_of: SideOf) -> m.Execution:
    found = Row(f"fill {found.text('entry_id') or ''}", found.fields)
    order_id = found.need_text("order_id")
    side = found.enum("side", enums.SIDES, None) or side_of(order_id)
    size, price = found.above_zero("size"), found.above_zero("price")
    if side is None:
        raise found.invalid("side", "buy or sell")
    if size is None or price is None:
        raise found.invalid("size" if size is None else "price", "above zero")
    product = found.need_text("product_id").upper()
    return m.Execution(
        source=m.ExecSource.HISTORY,
        exec_id=found.text("entry_id") or found.need_text("trade_id"),
        broker_order_id=order_id,
        symbol=market.symbol(product),
        side=side,
        qty=size,
        in_quote=_is_in_quote(found),
        price=price,
        at=found.time("trade_time") or found.need_time("sequence_timestamp"),
        fee=found.number("commission") or m.ZERO,
        fee_currency=product.partition("-")[2],
    )


def _is_in_quote(found: Row) -> bool:
    """
    Return whether the size of a fill is in quote currency; older replies do not say, and it is not.

    Raises: InvalidValue for any other value, because the size would be in a wrong unit.
    """
    is_in_quote = found.flag("size_in_quote")
    if not is_in_quote and str(found.fields.get("size_in_quote") or False).lower() != "false":
        raise found.invalid("size_in_quote", "true or false")
    return is_in_quote
