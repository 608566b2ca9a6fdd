"""The records in memory, for the pure tests of `core`."""

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.journal import apply, requests
from fillbook.model.journal.kinds import BY_TYPE

AT = m.timestamp("2026-03-02T15:00:00Z")


def pair_of(symbol):
    """The currencies of ``BASE/QUOTE``; what is not quoted in dollars is paid from a position."""
    base, slash, quote = symbol.partition("/")
    paid_from = None if quote == "USD" else f"{quote}/USD"
    return m.Pair(symbol, base, quote, f"{base}/USD", paid_from) if slash else None


class Records:
    """A store's reader over dictionaries; `take` applies an entry as the recorder does."""

    def __init__(self):
        self.kept = {kind.type: {} for kind in BY_TYPE.values()}
        self.entries = []
        self.take(m.Bound(m.AccountId("sim", "localhost", "a1")))

    def copy(self):
        """Independent records with the same content."""
        other = Records.__new__(Records)
        other.kept = {of: dict(kept) for of, kept in self.kept.items()}
        other.entries = list(self.entries)
        return other

    def get(self, of, key):
        return self.kept[of].get(key)

    def find(self, of, index, word):
        says = BY_TYPE[of].indexes[index]
        return [x for _, x in sorted(self.kept[of].items()) if says(x) == word]

    def all(self, of):
        return [x for _, x in sorted(self.kept[of].items())]

    def take(self, entry, at=AT):
        """Apply *entry*, after the pairs that it names; whether it changed anything."""
        listed = pairs.with_listings((entry,), self, lambda x: self.get(m.Pair, x) or pair_of(x))
        changed = [self._take(x, at) for x in listed]
        return any(changed)

    def _take(self, entry, at):
        changes = apply.apply(entry, len(self.entries) + 1, at, self)
        if not changes:
            return False
        self.entries.append((entry, at))
        for of, key in changes.drop:
            del self.kept[of][key]
        for record in changes.put:
            kind = BY_TYPE[type(record)]
            self.kept[kind.type][kind.key(record)] = record
        return True

    def order(self, client_order_id="c1"):
        return self.get(m.OrderRecord, client_order_id).order

    def position(self, symbol="AAPL"):
        return self.get(m.Position, symbol) or m.Position(symbol=symbol)


def request(**kw):
    """A request as the desk passes it on, with the time in force that the broker declares."""
    default = "gtc" if pair_of(kw.get("symbol", "AAPL")) else "day"
    base = {"symbol": "AAPL", "side": "buy", "qty": 100, "time_in_force": default}
    return m.OrderRequest(**{**base, **kw})


def intended(client_order_id="c1", **kw):
    return m.Intended(
        m.Intent(client_order_id=client_order_id, request=request(**kw), at=AT, key=None)
    )


def terms(**kw):
    return requests.terms_of(request(**kw))


def report(word="new", cum=0, avg=None, clock="2026-03-02T15:00:01Z", source="list", **kw):
    """A broker's report on order b1, which is our c1."""
    mine = {"client_order_id": "c1", "broker_order_id": "b1", "terms": terms()}
    return m.Reported(
        m.OrderReport(
            **{
                **mine,
                "status": m.OrderStatus(word),
                "raw_status": word,
                "filled_qty": m.number(cum),
                "avg_price": m.number_or_none(avg),
                "clock": m.timestamp_or_none(clock),
                **kw,
            }
        ),
        m.ReportSource(source),
    )


def fill(exec_id, qty, price, *, cum=None, source="stream", at="2026-03-02T15:00:00Z", **kw):
    """An execution of order b1."""
    base = {"broker_order_id": "b1", "symbol": "AAPL", "side": m.OrderSide.BUY}
    return m.Executed(
        m.Execution(
            **{
                **base,
                "source": m.ExecSource(source),
                "exec_id": exec_id,
                "qty": m.number(qty),
                "price": m.number(price),
                "cum_qty": m.number_or_none(cum),
                "at": m.timestamp(at),
                **kw,
            }
        )
    )


def bust(exec_id, qty=None, source="stream", at=None, **kw):
    return m.Busted(
        m.TradeBust(
            **{
                "source": m.ExecSource(source),
                "exec_id": exec_id,
                "broker_order_id": "b1",
                "qty": m.number_or_none(qty),
                "at": m.timestamp_or_none(at),
                **kw,
            }
        )
    )
