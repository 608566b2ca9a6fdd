"""Pages of lists: together they are the list, in either order, and each is read by an index."""

import sqlite3
from contextlib import closing

import pytest

from fillbook import errors
from fillbook.desk.record.book import Book
from fillbook.stores.sqlite import SqliteStore
from tests.bench import Bench


@pytest.fixture(params=["memory", "sqlite"], scope="module")
def bench(request, tmp_path_factory):
    """Eleven orders of two strategies, half of them filled, and round trips."""
    store = (
        SqliteStore(tmp_path_factory.mktemp("a") / "bot.db") if request.param == "sqlite" else None
    )
    bench = Bench(store=store)
    for number in range(5):
        bench.resting("MSFT" if number % 2 else "AAPL", qty=1)
        bench.desk.buy("SPY", qty=2, strategy="t")
        bench.clock.advance(1)
    for _ in range(3):
        bench.desk.sell("SPY", qty=10, strategy="t")
        bench.desk.buy("SPY", qty=10, strategy="t")
        bench.clock.advance(1)
    yield bench
    bench.store.close()


def pages(read, cursor_of, size, begin=None):
    rows = []
    while True:
        page = read(begin if not rows else cursor_of(rows[-1]), size)
        assert len(page) <= size
        rows += page
        if len(page) < size:
            return rows


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    "filters", [{}, {"open": True}, {"open": False}, {"symbol": "AAPL", "strategy": ["s", "t"]}]
)
def test_pages_of_orders(bench, newest, size, filters):
    book = Book(bench.store)
    whole = book.orders(**filters)
    assert whole == sorted(whole, key=lambda x: (x.created_at, x.client_order_id))
    found = pages(
        lambda after, limit: book.orders(**filters, after=after, limit=limit, newest=newest),
        lambda order: order.client_order_id,
        size,
    )
    assert found == (whole[::-1] if newest else whole)


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("filters", [{}, {"strategy": "t"}, {"symbol": "SPY", "strategy": "t"}])
def test_pages_of_fills_trades_and_events(bench, newest, filters):
    book = Book(bench.store)
    for read, cursor_of, whole in (
        (book.fills, lambda x: x.key, book.fills(**filters)),
        (book.trades, lambda x: x.key, book.trades(**filters)),
    ):
        found = pages(
            lambda a, n, read=read: read(**filters, after=a, limit=n, newest=newest), cursor_of, 2
        )
        assert found == (whole[::-1] if newest else whole)
        assert found
    of = {k: x for k, x in filters.items() if k == "strategy"}
    found = pages(
        lambda a, n: book.events(a, **of, limit=n, newest=newest), lambda x: x.cursor, 4, begin=""
    )
    whole = book.events(**of)
    assert found == (whole[::-1] if newest else whole)


def test_pages_of_the_journal(bench):
    book = Book(bench.store)
    whole = book.journal()
    up = pages(lambda a, n: book.journal(a, limit=n), lambda x: x.number, 7, begin=0)
    down = pages(lambda a, n: book.journal(a, limit=n, newest=True), lambda x: x.number, 7, begin=0)
    assert (up, down) == (whole, whole[::-1])


def test_the_events_of_a_strategy_are_those_of_its_orders_and_fills(bench):
    found = Book(bench.store).events(strategy="s")
    assert {x.order.strategy for x in found if x.order} == {"s"}
    assert len(found) == len(
        [
            x
            for x in Book(bench.store).events()
            if x.order and not x.fill and (x.order.strategy == "s")
        ]
    )


def test_a_page_has_at_least_one_row_and_begins_at_a_known_order(bench):
    book = Book(bench.store)
    with pytest.raises(errors.InvalidValue, match="limit"):
        book.orders(limit=0)
    with pytest.raises(errors.UnknownOrder):
        book.orders(after="nowhere")
    fill = book.fills(strategy="t")[0]
    for read, after in ((book.fills, fill.key), (book.trades, "nowhere")):
        with pytest.raises(errors.InvalidValue, match="not in this list"):
            read(strategy="s", after=after)


@pytest.mark.parametrize(
    ("table", "column", "where"),
    [
        ("orders", "created", ""),
        ("orders", "created", "by_open = 'yes' AND "),
        ("orders", "created", "by_symbol IN ('AAPL') AND "),
        ("orders", "created", "by_strategy IN ('s') AND "),
        ("movements", "filled", ""),
        ("movements", "filled", "by_symbol IN ('AAPL') AND "),
        ("movements", "filled", "by_strategy IN ('s') AND "),
        ("trades", "closed", ""),
        ("trades", "closed", "by_strategy IN ('s') AND "),
    ],
)
def test_a_page_is_read_by_an_index_without_a_sort(tmp_path, table, column, where):
    SqliteStore(tmp_path / "bot.db").close()
    query = (
        f"SELECT body FROM {table} WHERE by_{column} IS NOT NULL AND {where}by_{column} < 'x' "
        f"ORDER BY by_{column} DESC LIMIT 20"
    )
    with closing(sqlite3.connect(tmp_path / "bot.db")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert len(plan) == 1
    assert plan[0].startswith(f"SEARCH {table} USING INDEX {table}_by_")
