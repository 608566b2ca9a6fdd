"""Values show themselves as HTML in a notebook."""

from datetime import date
from html.parser import HTMLParser

import pytest

import fillbook as fb
from tests.bench import Bench


class Tables(HTMLParser):
    """The captions and the cells of tables; every element has to be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.found.append(data)


@pytest.fixture(scope="module")
def shown():
    bench = Bench()
    bench.desk.buy("AAPL", qty="10.50", strategy="<b>&s")
    bench.by_hand("MSFT", "buy", 3)
    bench.pass_(30)
    desk = bench.desk
    return {
        "Order": desk.book.orders()[0],
        "Position": desk.book.position("AAPL"),
        "Plan": desk.rebalance({"AAPL": "0.1", "SPY": "0.1"}, dry_run=True),
        "CheckReport": desk.check({"AAPL": 3}),
        "SyncReport": desk.sync(),
        "PnlReport": desk.book.pnl(),
        "PnlComparison": desk.compare_pnl({"AAPL": 1}),
        "CatchUp": desk.catch_up([{"symbol": "A", "qty": 1, "at": "x"}], since=date(2026, 3, 2)),
        "Rebalance": fb.plan_rebalance({"AAPL": 1}, {}, {"AAPL": 187}, cash=1000),
    }


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Order", ["10.5", "filled", "<b>&s", "–"]),
        ("Position", ["10.5", "by strategy"]),
        ("Plan", ["rebalance", "steps", "SPY"]),
        ("CheckReport", ["drift", "rows", "AAPL"]),
        ("SyncReport", ["in_sync"]),
        ("PnlReport", ["symbol", "totals"]),
        ("PnlComparison", ["average", "AAPL"]),
        ("CatchUp", ["unreadable"]),
        ("Rebalance", ["trades", "AAPL", "buy"]),
    ],
)
def test_a_value_is_shown_as_tables(shown, name, cells):
    found = Tables(shown[name]._repr_html_()).found
    assert found[0] == name
    for cell in cells:
        assert cell in found


def test_a_long_list_is_cut_and_says_so():
    rows = [{"symbol": "A", "qty": 1, "at": str(i)} for i in range(70)]
    found = Bench().desk.catch_up(rows, since=date(2026, 3, 2))
    assert "and 20 more" in Tables(found._repr_html_()).found
