"""Plans and protections in the book: read from the store only."""

import pytest

import fillbook as fb
from fillbook.desk.record.book import Book
from tests.bench import Bench


def test_the_book_lists_what_the_desk_lists():
    bench = Bench(cash="100000")
    for symbol in ("AAPL", "MSFT"):
        bench.desk.buy(symbol, qty=2, strategy="swing")
    bench.pass_(30)
    done = bench.desk.protect("AAPL", stop_price="150")
    bench.desk.protect("MSFT", stop_price="300")
    with Book(bench.store, clock=bench.clock) as book:
        assert book.protections() == bench.desk.protections()
        assert [x.symbol for x in book.protections("msft")] == ["MSFT"]
        assert book.protections("SPY") == []
        assert book.plans() == bench.desk.plans()
        assert book.plans("done") == bench.desk.plans(fb.PlanState.DONE)
        assert book.plan(done.plan_id) == bench.desk.plan(done.plan_id)


def test_what_is_no_plan_and_no_state_is_refused():
    with fb.read(Bench().store) as book:
        with pytest.raises(fb.UnknownPlan, match="fillbook plans"):
            book.plan("close-9")
        for state in ("begun", 3):
            with pytest.raises(fb.InvalidValue, match="state must be one of"):
                book.plans(state)
