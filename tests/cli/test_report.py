"""`fillbook report`: one HTML file with the figures of the record, and nothing from elsewhere."""

import json
import re
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.cli.report import charts
from fillbook.cli.report.figures import figures_of, net
from fillbook.cli.report.page import page
from tests.bench import Bench
from tests.cli.line import told
from tests.scenarios.brokers.test_spot import Bot

VOID = ("meta", "br", "rect", "line", "polygon", "polyline")


class Page(HTMLParser):
    """The elements of a page, each closed, with their texts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())

    def count(self, tag, kind=None):
        return sum(x == tag and kind in (None, y.get("class")) for x, y in self.tags)


def lived():
    """A record of two days with two strategies, exits, a difference that ended and one that not."""
    bench = Bench()
    desk = bench.desk
    desk.buy("AAPL", qty=10, strategy="<b>swing", reference_price=187)
    bench.pass_(30)
    desk.protect("AAPL", stop_price="150")
    bench.pass_(30)
    desk.buy("MSFT", qty=2, strategy="core", reference_price="412.10")
    bench.clock.advance(86_400)
    desk.tick()
    bench.exchange.quote("AAPL", "190.00", "190.02")
    bench.pass_(30)
    desk.close_position("AAPL")
    desk.sell("MSFT", qty=2, strategy="core", reference_price=412)
    bench.pass_(60)
    return bench


def read(bench, since=None):
    return figures_of(bench.desk.book, m.timestamp(bench.clock.now()), since)


def test_the_figures_are_those_of_the_book():
    bench = lived()
    figures, book = read(bench), bench.desk.book
    assert [x.day for x in figures.days] == ["2026-03-03"]
    assert sum(x.pnl for x in figures.days) == sum(net(x) for x in book.pnl().totals)
    assert figures.days[-1].equity == 100_000 + Decimal("29.80") - Decimal("0.10")
    assert {x.key for x in figures.strategies} == {"<b>swing", "core"}
    assert len(figures.slippage) == len(book.slippage()) == 4
    assert [str(x.kind) for x in figures.plans] == ["exit", "close"]
    states = [str(x.state) for x in figures.cover["AAPL <b>swing"]]
    assert "covered" in states
    assert all(x.until is not None for x in figures.cover["AAPL <b>swing"])


def test_what_was_gained_before_the_opening_balance_counts_once():
    """A later day reads the history from before it; the opening balance has that gain already."""
    bench = Bench(opened=False)
    bench.by_hand("AAPL", "buy", 10)
    bench.exchange.quote("AAPL", "190.00", "190.02")
    bench.by_hand("AAPL", "sell", 10)
    bench.pass_(60)
    desk = bench.desk
    desk.sync(since=date(2026, 3, 2))
    desk.buy("MSFT", qty=2)
    bench.exchange.quote("MSFT", "420.00", "420.02")
    desk.sell("MSFT", qty=2)
    figures = read(bench)
    assert sum(x.pnl for x in figures.days) > 40
    assert figures.days[-1].equity == desk.book.cash()


def test_a_later_date_leaves_out_what_was_before():
    figures = read(lived(), date(2026, 3, 3))
    assert [(x.day, x.equity) for x in figures.days] == [("2026-03-03", None)]
    assert (len(figures.slippage), figures.orders) == (2, 2)
    assert read(lived(), date(2026, 3, 4)).cover == {}


def test_a_difference_is_listed_with_how_it_ended():
    bench = lived()
    at = m.timestamp(bench.clock.now())
    for number, symbol in enumerate(("SPY", "AAPL", "MSFT")):
        drift = m.Untracked(symbol, Decimal(3))
        bench.desk._recorder.record(m.DriftFound(f"k{number}", drift, None))
    bench.desk._recorder.record(
        m.DriftCleared("k0"),
        m.BalanceAdjusted("AAPL", Decimal(3), None, at, "ADOPTED"),
        m.DriftCleared("k1"),
    )
    found = {x.subject: (x.until is not None, x.how) for x in read(bench).differences}
    assert found == {
        "SPY": (True, "explained"),
        "AAPL": (True, "the broker's figure was taken"),
        "MSFT": (False, "open"),
    }
    assert "the broker has 3, the record 0" in Page(page(read(bench))).texts


def test_the_page_is_closed_and_refers_to_nothing_elsewhere():
    bench = lived()
    text = page(read(bench))
    shown = Page(text)
    assert shown.count("svg", "chart") == 5
    assert shown.count("svg", "timeline") == 1
    assert "<b>swing" in shown.texts  # escaped: it is text, no element
    assert shown.count("b") == 0
    assert "29.70" in shown.texts
    assert "net realized P&L, USD" in shown.texts
    assert re.findall(r"(?: src=|href=|url\(|@import|<script|https?:)", text) == []
    for words in ("prefers-color-scheme: dark", "@media print", "width=device-width"):
        assert words in text


def test_many_orders_have_a_column_a_day():
    figures = read(lived())
    many = evolve(figures, slippage=[*figures.slippage] * 60)
    text = page(many)
    assert "240 orders cost" not in text  # those without a requested price do not count
    assert "180 orders cost" in text
    more = page(evolve(figures, slippage=[*figures.slippage] * 100))
    assert re.findall(r"<title>(2026-[\d-]+: [-\d.]+)</title>", more[more.index("Slippage") :])


def test_an_empty_record_has_a_page():
    shown = Page(page(read(Bench(opened=False))))
    for words in ("Nothing was realized.", "No position was protected.", "no account yet"):
        assert words in shown.texts


def test_the_command_writes_a_file(order, capsys):
    at = ("--store", "sqlite:///bot.db")
    code, out, _ = told(capsys, "report", "--html", "out.html", "--since", "2026-03-01", *at)
    assert (code, out.strip()) == (0, "Report: out.html")
    assert "since 2026-03-01 (UTC)" in " ".join(Page(Path("out.html").read_text()).texts)
    code, _, err = told(capsys, "report", "--html", "none/out.html", *at)
    assert (code, "cannot be written" in err) == (2, True)


# -- charts ----------------------------------------------------------------------------------


def numbers(svg, name):
    return [float(x) for x in re.findall(rf' {name}="([-\d.]+)"', svg)]


def test_columns_stand_on_zero_and_fill_the_width():
    bars = [charts.Bar("a", 10, "10"), charts.Bar("b", -30, "-30"), charts.Bar("c", 0, "0")]
    svg = charts.columns(bars)
    assert numbers(svg, "y1") == [10.0]  # a quarter of the height is above zero
    assert numbers(svg, "y")[:2] == [0.0, 10.0]
    assert numbers(svg, "height")[:2] == [10.0, 30.0]
    assert "<title>b: -30</title>" in svg


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ([1, 3, 2], "0.000,40.000 50.000,0.000 100.000,20.000"),
        ([5], "0.000,20.000 100.000,20.000"),
        ([5, 5], "0.000,20.000 100.000,20.000"),
    ],
)
def test_a_curve_goes_through_its_values(values, points):
    assert f'class="curve" points="{points}"' in charts.curve(values)


def test_a_timeline_is_cut_at_its_ends():
    at = [m.moment(m.timestamp(f"2026-03-02T{hour:02d}:00:00Z")) for hour in range(11)]
    stripes = [charts.Stripe("good", at[0], at[5], "a"), charts.Stripe("bad", at[5], at[10], "b")]
    svg = charts.timeline(stripes, at[2], at[10])
    assert numbers(svg, "x") == [0.0, 37.5]
    assert numbers(svg, "width") == [37.5, 62.5]


def test_its_time_is_that_of_the_other_commands(emulator, order, monkeypatch, capsys):
    """An emulator may be ahead of the machine's clock, and so are the times of the record."""
    assert told(capsys, "report", "--html", "out.html", "--store", "sqlite:///bot.db")[0] == 0
    assert "made 2026-03-02 15:0" in " ".join(Page(Path("out.html").read_text("utf-8")).texts)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("pnl", "average cost, USD"),
        ("trades", "P&L, USD"),
        ("buying-power", "amount, USD"),
        ("positions", "Positions (amounts in USD)"),
        ("watch --once", "Positions (amounts in USD)"),
        ("watch --once", "Open orders (amounts in USD)"),
        ("watch --once", "reserved 800.00 USD"),
        ("buy AAPL 1 --limit 100 --dry-run", "100.00 USD"),
        ("rebalance targets.csv", "Cost (amounts in USD)"),
        ("rebalance targets.csv", "rebalance: 1 order for 5,596.39 USD, where"),
        ("trades --csv", ",USD,"),
        ("positions --csv", ",USD,"),
        ("pnl --csv", ",USD,"),
    ],
)
def test_amounts_are_printed_with_their_currency(words, text, emulator, order, capsys):
    Path("targets.csv").write_text("symbol,weight\nSPY,0.1\n", "utf-8")
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.close_position("AAPL")
        desk.buy("MSFT", qty=100)
        desk.buy("AAPL", qty=8, limit_price=100)
        desk.sync()
        assert desk.book.status().currency == "USD"
    out = told(capsys, *words.split(), "--store", "sqlite:///bot.db")[1]
    assert text in " ".join(out.split())


def test_a_realized_pnl_in_two_currencies_is_shown_by_currency(tmp_path, capsys):
    """Nothing is converted, and nothing is added up over currencies."""
    store = f"sqlite:///{tmp_path}/bot.db"
    bot = Bot(store=store)
    for symbol, cost, price in (("BTC-USD", 60_000, 61_000), ("BTC-EUR", 55_000, 57_000)):
        bot.broker.prices[symbol] = Decimal(cost)
        bot.desk.buy(symbol, qty="0.01", limit_price=cost, strategy="s")
        bot.pass_(10)
        bot.broker.prices[symbol] = Decimal(price)
        bot.desk.sell(symbol, qty="0.01", limit_price=price, strategy="s")
        bot.pass_(10)
    bot.desk.close()
    out = json.loads(told(capsys, "positions", "--json", "--store", store)[1])
    found = {x["currency"]: Decimal(x["realized"]) for x in out["realized"] if x["symbol"] == "BTC"}
    assert found == {"USD": 10, "EUR": 20}
    assert "10.00, 20.00 EUR" in " ".join(told(capsys, "positions", "--store", store)[1].split())
