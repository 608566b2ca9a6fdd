"""
FIFO against beancount: random campaigns of buys and sales, booked by both.

`nox -s fifo` runs it.  It fails if one realized P&L differs from that of the lots that beancount
has chosen.
"""

from __future__ import annotations

import random
import sys
from datetime import date, timedelta
from decimal import Decimal

from beancount import loader

import fillbook as fb
from fillbook import model as m
from fillbook.core.pnl.lot_accounting import compute_pnl

CAMPAIGNS = 200
FIRST = date(2026, 1, 1)


def campaign(seed: int) -> list[m.Movement]:
    """Return buys of two symbols, and sales of what is held, one a day."""
    chance, held, found = random.Random(seed), {"AA": Decimal(0), "BB": Decimal(0)}, []
    for number in range(chance.randint(2, 40)):
        symbol = chance.choice(sorted(held))
        qty = Decimal(chance.randint(1, 900)) / 100
        if chance.random() < 0.5 and held[symbol]:
            qty = -min(qty, held[symbol])
        held[symbol] += qty
        found.append(
            m.Movement(
                key=str(number),
                symbol=symbol,
                kind=m.MoveKind.FILL,
                at=m.timestamp(f"{FIRST + timedelta(days=number)}T15:00:00Z"),
                qty=qty,
                price=Decimal(chance.randint(100, 90_000)) / 100,
            )
        )
    return found


def ledger(moves: list[m.Movement]) -> str:
    """Return the campaign as a ledger of beancount; the income is left to it."""
    lines = [f"{FIRST} open Assets:Cash", f"{FIRST} open Income:Gains"]
    lines += [f'{FIRST} open Assets:{x.title()} {x} "FIFO"' for x in ("AA", "BB")]
    for x in moves:
        assert x.price is not None
        account, paid = f"Assets:{x.symbol.title()}", m.plain(-x.qty * x.price)
        cost = f"{{{x.price} USD}}" if x.qty > 0 else f"{{}} @ {x.price} USD"
        lines += [f'{x.at[:10]} * "fill"', f"  {account}  {m.plain(x.qty)} {x.symbol} {cost}"]
        lines += [f"  Assets:Cash  {paid} USD", *(["  Income:Gains"] if x.qty < 0 else [])]
    return "\n".join(lines) + "\n"


def gains(text: str) -> dict[str, Decimal]:
    """Return the gains of the lots that beancount has chosen, by symbol."""
    entries, problems, _ = loader.load_string(text, dedent=False)
    assert not problems, problems
    found = {"AA": Decimal(0), "BB": Decimal(0)}
    for entry in entries:
        for posting in getattr(entry, "postings", []):
            if posting.cost is not None and posting.units.number < 0:
                gain = posting.price.number - posting.cost.number
                found[posting.units.currency] -= posting.units.number * gain
    return found


def main() -> int:
    """Compare; return 1 at the first difference."""
    for seed in range(CAMPAIGNS):
        moves = campaign(seed)
        theirs = gains(ledger(moves))
        for row in compute_pnl(moves, cost=fb.CostMethod.FIFO).rows:
            if row.realized != theirs[row.key]:
                print(f"seed {seed}, {row.key}: {row.realized}, beancount {theirs[row.key]}")
                return 1
    print(f"{CAMPAIGNS} campaigns agree with beancount")
    return 0


if __name__ == "__main__":
    sys.exit(main())
