"""
A spot broker of another manner than the simulated one, in memory.

It has wallets by currency and products of two of them, reports no clock, finds no order by client
order id, checks no duplicates, replies to a create with its own id only, edits in place, and holds
the fee with the order.  Unless it *enforces* its rules, a wallet may become negative.
"""

import random
from decimal import ROUND_DOWN, Decimal

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.broker import Broker

D = Decimal
CASH = frozenset({"USD", "EUR", "USDC"})
PRICES = {
    "BTC-USD": D(60_000),
    "BTC-EUR": D(55_000),
    "BTC-USDC": D(60_010),
    "ETH-BTC": D("0.05"),
    "ETH-USD": D(3_000),
}
STEP = D("0.00000001")
AVERAGE = D("0.0000000000000001")  #: averages have sixteen places
RATE, MAKER_RATE = D("0.01"), D("0.004")
S = m.OrderStatus
LIVE = (S.NEW, S.PARTIALLY_FILLED)


def cut(value):
    return value.quantize(STEP, ROUND_DOWN)


@frozen(kw_only=True)
class Placed:
    """One order at the broker."""

    id: str
    client_order_id: str
    request: m.OrderRequest
    at: m.Timestamp
    status: m.OrderStatus = S.NEW
    qty: Decimal | None = None
    limit: Decimal | None = None
    filled: Decimal = m.ZERO
    value: Decimal = m.ZERO
    fees: Decimal = m.ZERO  #: in quote currency, as far as it was paid in it


class Spot(Broker):
    """Wallets, products and orders; *fee_in* is "quote", "base" or the name of a currency."""

    name, host, live = "spot", "localhost", False
    capabilities = m.Capabilities(
        order_types=frozenset({m.OrderType.MARKET, m.OrderType.LIMIT}),
        times_in_force=frozenset({m.TimeInForce.GTC}),
        notional=True,
        fractional=True,
        post_only=True,
        history=True,
        instrument=True,
        quotes=True,
        replace=True,
        replace_makes=m.ReplaceMakes.SAME_ID,
        replace_qty=m.ReplaceQty.TOTAL,
        reserve_rule=m.ReserveRule(reads_fee=True, notional_includes_fee=True),
        nets_open_orders=True,
        rate_limit=100_000,
    )

    def __init__(self, clock, *, seed=0, fee_in="quote", lag_s=0.0, faults=0.0, enforces=False):
        self.clock, self.dice = clock, random.Random(seed)
        self.fee_in, self.lag_s, self.faults, self.rate = fee_in, lag_s, faults, RATE
        self.wallets = {"USD": D(10_000), "EUR": D(7_000), "USDC": D(5_000), "BTC": D("0.5")}
        self.wallets["ETH"] = m.ZERO
        if fee_in == "base":  # until its execution is known, a fill may be less by so much
            self.capabilities = evolve(Spot.capabilities, base_fee=RATE)
        if fee_in not in ("quote", "base"):
            self.wallets[fee_in] = D(1_000)
        self.enforces, self.prices = enforces, dict(PRICES)
        self.placed, self.fills, self.sent = {}, [], 0
        self._past = [(clock.elapsed(), dict(self.wallets), self.free())]

    # -- what happens at the broker ----------------------------------------------------

    def free(self):
        """What of each wallet no open order holds; below zero: more was promised than there is."""
        free = dict(self.wallets)
        for order in self.placed.values():
            base, quote = order.request.symbol.split("-")
            if order.status not in LIVE:
                continue
            if order.request.side is m.OrderSide.SELL:
                free[base] -= order.qty - order.filled
            elif order.qty is None:
                free[quote] -= order.request.notional - order.value - order.fees
            else:
                free[quote] -= (order.qty - order.filled) * order.limit * (1 + order_fee(self))
        return free

    def remember(self):
        """Keep the wallets, which a late read of the account shows."""
        self._past.append((self.clock.elapsed(), dict(self.wallets), self.free()))
        self._past = self._past[-400:]

    def move(self, symbol, price):
        self.prices[symbol] = price
        for order in [x for x in self.placed.values() if x.status in LIVE]:
            if order.request.symbol == symbol:
                self.match(order.id)

    def match(self, order_id):
        """Fill an order as far as its price allows, in one part or two."""
        order = self.placed[order_id]
        request, price = order.request, self.prices[order.request.symbol]
        sign = request.side.sign
        if order.limit is not None and (order.limit - price) * sign < 0:
            return
        if order.qty is None:
            spend = request.notional - order.value - order.fees
            inclusive = 1 + order_fee(self) if self.fee_in == "quote" else 1
            self.fill(order, cut(spend / inclusive / price), price, last=True)
            return
        left = order.qty - order.filled
        part = cut(left * self.dice.choice((D("0.4"), D(1), D(1)))) or left
        self.fill(order, part, price, last=part == left)

    def fill(self, order, qty, price, *, last):
        base, quote = order.request.symbol.split("-")
        sign, value = order.request.side.sign, qty * price
        paid_in, fee = quote, value * self.rate
        if self.fee_in == "base" and sign > 0:
            paid_in, fee = base, cut(qty * self.rate)
        elif self.fee_in not in ("quote", "base"):
            paid_in, fee = self.fee_in, D("0.5")
        self.wallets[base] += sign * qty
        self.wallets[quote] -= sign * value
        self.wallets[paid_in] -= fee
        done = evolve(
            order,
            filled=order.filled + qty,
            value=order.value + value,
            fees=order.fees + (fee if paid_in == quote else 0),
            status=S.FILLED if last else S.PARTIALLY_FILLED,
        )
        self.placed[order.id] = done
        self.fills.append(
            m.Execution(
                source=m.ExecSource.HISTORY,
                exec_id=f"f{len(self.fills) + 1}",
                broker_order_id=order.id,
                symbol=order.request.symbol,
                side=order.request.side,
                qty=qty,
                price=price,
                at=m.timestamp(self.clock.now()),
                cum_qty=done.filled,
                fee=fee,
                fee_currency=paid_in,
            )
        )
        self.remember()

    # -- reads -------------------------------------------------------------------------

    def _fails(self):
        return self.dice.random() < self.faults

    def _view(self):
        """The wallets and what is free of them, at most `lag_s` old."""
        oldest = self.clock.elapsed().total_seconds() - self.dice.uniform(0, self.lag_s)
        seen = [x for x in self._past if x[0].total_seconds() <= oldest]
        return (seen or self._past[:1])[-1][1:]

    def account(self):
        if self._fails():
            return m.NotObserved(m.Failure.SERVER_ERROR, "503")
        wallets, free = self._view()
        others = sorted((CASH | {self.fee_in}) & wallets.keys() - {"USD"})
        return m.Observed(
            m.AccountSnapshot(
                m.AccountId(self.name, self.host, "1"),
                "USD",
                cash=wallets["USD"],
                equity=wallets["USD"],
                buying_power=free["USD"],
                other_cash=tuple(m.Amount(wallets[x], x) for x in others),
                other_buying_power=tuple(m.Amount(free[x], x) for x in others),
                fee_rate=self.rate,
                maker_fee_rate=self.rate and MAKER_RATE,
            )
        )

    def positions(self, page):
        if self._fails():
            return m.NotObserved(m.Failure.SERVER_ERROR, "503")
        coins = [x for x in ("BTC", "ETH") if self.wallets[x]]
        return m.Observed([m.PositionSnapshot(x, self.wallets[x]) for x in coins])

    def orders(self, query, page):
        if self._fails():
            return m.NotObserved(m.Failure.SERVER_ERROR, "503")
        found = self.placed.values()
        if query.scope is m.OrderScope.OPEN:
            found = [x for x in found if x.status in LIVE]
        since = "" if query.since is None else m.timestamp(query.since)
        return m.Observed([report(x) for x in found if x.at >= since])

    def order(self, broker_order_id):
        if self._fails():
            return m.NotObserved(m.Failure.SERVER_ERROR, "503")
        found = self.placed.get(broker_order_id)
        return m.Absent() if found is None else m.Observed(report(found))

    def executions(self, since, page):
        return m.Observed([x for x in self.fills if x.at >= since])

    def executions_of(self, broker_order_id, since, page):
        return m.Observed([x for x in self.fills if x.broker_order_id == broker_order_id])

    def instrument(self, symbol):
        least = D(1) if symbol.partition("-")[2] in CASH else D("0.0001")
        coin = m.Instrument(
            symbol, m.AssetClass.CRYPTO, fractionable=True, qty_increment=STEP, min_notional=least
        )
        return m.Observed(coin) if symbol in self.prices else m.Absent()

    def pair(self, symbol):
        base, dash, quote = symbol.partition("-")
        if not dash:
            return None
        rate = f"{quote}-USD" if f"{quote}-USD" in self.prices else None
        return m.Pair(symbol, base, quote, base, None if quote in CASH else quote, rate)

    def quotes(self, symbols):
        now = self.clock.now()
        return m.Observed(
            [m.Quote(x, self.prices[x], self.prices[x], now) for x in symbols if x in self.prices]
        )

    # -- writes ------------------------------------------------------------------------

    def submit(self, intent):
        self.sent += 1
        refusal = self._refusal(intent.request)
        if refusal is not None:
            return refusal
        fate = self.dice.random()
        if fate < self.faults / 2:
            return m.Ambiguous(m.Failure.NO_ANSWER, "lost on the way")
        name, request = f"o{len(self.placed) + 1}", intent.request
        self.placed[name] = Placed(
            id=name,
            client_order_id=intent.client_order_id,
            request=request,
            at=m.timestamp(self.clock.now()),
            qty=request.qty,
            limit=request.limit_price,
        )
        self.remember()
        self.match(name)
        if fate < self.faults:
            return m.Ambiguous(m.Failure.NO_ANSWER, "the reply was lost")
        return m.Accepted(broker_order_id=name)

    def _refusal(self, request):
        """Why the broker refuses an order; the price and the funds only if it *enforces* them."""
        symbol, limit = request.symbol, request.limit_price
        if symbol not in self.prices:
            return m.Rejected(m.RejectKind.INSTRUMENT, "there is no such product")
        if self.enforces and limit is not None and limit % D("0.01"):
            return m.Rejected(m.RejectKind.PRICE, "the price has too many digits")
        cost = request.notional or request.qty * (limit or self.prices[symbol]) * (1 + self.rate)
        is_buy = request.side is m.OrderSide.BUY
        if self.enforces and is_buy and cost > self.free()[symbol.partition("-")[2]]:
            return m.Rejected(m.RejectKind.FUNDS, "insufficient funds")
        return None

    def cancel(self, broker_order_id):
        found = self.placed.get(broker_order_id)
        if found is None:
            return m.Rejected(m.RejectKind.NOT_FOUND, "there is no such order")
        if found.status not in LIVE:
            return m.Rejected(m.RejectKind.TOO_LATE, "it is done")
        self.placed[broker_order_id] = evolve(found, status=S.CANCELED)
        self.remember()
        return m.Accepted()

    def replace(self, broker_order_id, change):
        found = self.placed.get(broker_order_id)
        if found is None:
            return m.Rejected(m.RejectKind.NOT_FOUND, "there is no such order")
        if found.status not in LIVE:
            return m.Rejected(m.RejectKind.TOO_LATE, "it is done")
        qty, limit = change.qty or found.qty, change.limit_price or found.limit
        self.placed[broker_order_id] = evolve(found, qty=qty, limit=limit)
        self.remember()
        self.match(broker_order_id)
        return m.Accepted()


def order_fee(broker):
    """The share of the value that an order holds for its fee, which may be paid in quote."""
    return broker.rate


def report(order):
    """What the broker says of an order; it has no clock."""
    request = order.request
    return m.OrderReport(
        broker_order_id=order.id,
        client_order_id=order.client_order_id,
        terms=m.Terms(
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            time_in_force=request.time_in_force,
            order_class=request.order_class,
            qty=order.qty,
            notional=request.notional,
            limit_price=order.limit,
        ),
        status=order.status,
        raw_status=order.status.value,
        filled_qty=order.filled,
        avg_price=(order.value / order.filled).quantize(AVERAGE) if order.filled else None,
        filled_value=order.value,
        created_at=order.at,
    )
