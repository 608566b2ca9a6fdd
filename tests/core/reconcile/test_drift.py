"""P6 and P8: two snapshots compared, explanations of a difference, and discarded snapshots."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.journal import apply
from fillbook.core.reconcile import drift, missing
from fillbook.model.journal.overlay import Overlay
from tests.core.records import AT, Records, bust, fill, intended, pair_of, report

LAG = timedelta(seconds=10)
ACCOUNT = m.AccountSnapshot(
    account=m.AccountId("sim", "localhost", "a1"),
    currency="USD",
    cash=Decimal(1000),
    equity=Decimal(1000),
    buying_power=Decimal(1000),
)


def seconds(value):
    return timedelta(seconds=value)


def snapshot(begun=0, *, positions=(), fills=(), after=None, cash=1000, **kw):
    account = evolve(ACCOUNT, cash=Decimal(str(cash)), **kw.pop("account", {}))
    fills = tuple(x.execution for x in fills)
    return drift.Snapshot(
        **{
            "at": AT,
            "started": seconds(begun),
            "ended": seconds(begun + 1),
            "account": account,
            "orders": (),
            "positions": tuple(positions),
            "fills": fills,
            "fills_after": fills if after is None else tuple(x.execution for x in after),
            **kw,
        }
    )


def held(symbol, qty, price=None, value=None):
    return m.PositionSnapshot(
        symbol, Decimal(str(qty)), price=m.number_or_none(price), market_value=value
    )


def records(*facts):
    made = Records()
    for fact in facts:
        made.take(fact)
    return made


def anchored(symbol, qty):
    return m.BalanceAdjusted(symbol, Decimal(qty), Decimal(10), AT, "OPENING")


# -- what is left ----------------------------------------------------------------------


def ours(qty, due="0"):
    return m.Position(symbol="X", account=m.Holding(qty=Decimal(qty)), fee_due=Decimal(due))


@pytest.mark.parametrize(
    ("mine", "theirs", "quantum", "expected"),
    [
        (None, None, "0", None),
        (ours(10), 10, "0", None),
        (ours(10), 11, "0", m.WrongQty("X", Decimal(10), Decimal(11))),
        (ours(10), -10, "0", m.WrongQty("X", Decimal(10), Decimal(-10))),
        (ours(10), None, "0", m.Phantom("X", Decimal(10))),
        (None, 10, "0", m.Untracked("X", Decimal(10))),
        (ours(0), 10, "0", m.Untracked("X", Decimal(10))),
        (ours(10), "10.01", "0.01", None),  # within one increment
        (ours(10), "10.02", "0.01", m.WrongQty("X", Decimal(10), Decimal("10.02"))),
        (ours(10, "0.5"), "9.5", "0", None),  # a fee that is pending is no drift
        (ours(10, "0.5"), "9.4", "0", m.WrongQty("X", Decimal(10), Decimal("9.4"))),
        (ours(10, "0.5"), "10.1", "0", m.WrongQty("X", Decimal(10), Decimal("10.1"))),
    ],
)
def test_a_difference_of_one_symbol(mine, theirs, quantum, expected):
    snapshot = None if theirs is None else held("X", theirs)
    assert drift.position_drift("X", mine, snapshot, Decimal(quantum)) == expected


def test_differences_are_listed_by_symbol_with_their_size_at_the_brokers_price():
    """A cost basis is never a price: without a price there is no notional."""
    record = records(anchored("B", 10), anchored("C", 10), anchored("D", 10))
    theirs = [held("D", 8, 5), held("A", 3, 7), held("C", 10, 5)]
    found = drift.differences(record, snapshot(positions=theirs))
    assert [(x.key, x.notional) for x in found] == [
        ("position/A", 21),
        ("position/B", None),
        ("position/D", 10),
    ]


@pytest.mark.parametrize(
    ("held_now", "rows"),
    [
        (None, (("AAPL", Decimal(-30)),)),  # phantom
        (held("AAPL", 20), (("AAPL", Decimal(-10)),)),
        (held("AAPL", 25), ()),  # as it was before the last fill
        (held("AAPL", 10), ()),  # and before the one before it
        (held("AAPL", 33), (("AAPL", Decimal(3)),)),
    ],
)
def test_a_difference_is_unsettled_unless_the_fills_of_the_lag_explain_it(held_now, rows):
    """A snapshot may be as old as the lag: a quantity that we held within it is no difference."""
    record = records(
        intended(),
        evolve(anchored("AAPL", 10), at=m.timestamp("2026-03-02T14:00:00Z")),
        fill("f1", 15, 10, cum=15, at="2026-03-02T15:00:02Z"),
        fill("f2", 5, 10, cum=20, at="2026-03-02T15:00:04Z"),
    )
    late = evolve(
        snapshot(positions=() if held_now is None else (held_now,)),
        at=m.timestamp("2026-03-02T15:00:08Z"),
    )
    cash = drift.Difference("cash", m.WrongCash(Decimal(1), Decimal(2)), None)
    found = [*drift.differences(record, late), cash]
    assert drift.unsettled(found, record, late, LAG).rows == rows
    much_later = evolve(late, at=m.timestamp("2026-03-02T15:00:30Z"))
    every = [(x.drift.symbol, drift.qty_difference(x.drift)) for x in found[:-1]]
    assert drift.unsettled(found, record, much_later, LAG).rows == tuple(every)


def test_a_balance_adjustment_explains_no_difference():
    """Its quantity is a balance: just after it, a position of double the size is a difference."""
    record = records(evolve(anchored("AAPL", -30), at=m.timestamp("2026-03-02T15:00:02Z")))
    late = evolve(snapshot(positions=(held("AAPL", 0),)), at=m.timestamp("2026-03-02T15:00:08Z"))
    found = drift.differences(record, late)
    assert drift.unsettled(found, record, late, LAG).rows == (("AAPL", Decimal(30)),)


def test_the_size_of_a_difference_is_theirs_minus_ours():
    three, ten = Decimal(3), Decimal(10)
    assert drift.qty_difference(m.Phantom("X", ten)) == -10
    assert drift.qty_difference(m.Untracked("X", ten)) == 10
    assert drift.qty_difference(m.WrongQty("X", ten, three)) == -7


def test_a_coin_differs_by_more_than_a_tenth_of_its_increment():
    coin = m.Instrument("X", m.AssetClass.CRYPTO, qty_increment=Decimal("0.1"))
    record = records(m.InstrumentListed(coin), anchored("X", 10))
    assert drift.differences(record, snapshot(positions=[held("X", "10.01")])) == []


@pytest.mark.parametrize(
    ("cash", "drifts"), [(1000, 0), ("1000.01", 0), ("999.99", 0), ("1000.02", 1), (900, 1)]
)
def test_cash_is_compared_to_the_cent(cash, drifts):
    record = records(m.CashAdjusted(Decimal(1000), "USD", AT, "OPENING"))
    found = drift.differences(record, snapshot(cash=cash))
    assert [type(x.drift) for x in found] == [m.WrongCash] * drifts


def test_cash_is_not_compared_without_a_balance_or_while_a_price_is_unknown():
    later = "2026-03-02T15:00:09Z"
    unknown = report("filled", 5, clock=later)
    record = records(m.CashAdjusted(Decimal(1), "USD", AT, "OPENING"), intended(), unknown)
    assert record.get(m.Cash, "cash").unknown == 1
    assert drift.differences(Records(), snapshot()) == []
    theirs = snapshot(positions=[held("AAPL", 5)])
    assert drift.differences(record, theirs) == []


# -- confirmation ------------------------------------------------------------------------

WRONG = drift.Difference("position/X", m.Phantom("X", Decimal(3)), None)
OTHER = drift.Difference("position/X", m.Phantom("X", Decimal(4)), None)
MONEY = drift.Difference("cash", m.WrongCash(Decimal(1), Decimal(2)), Decimal(1))
TORN = {"fills": [fill("f1", 1, 9)], "after": []}


def comparison(begun, *found, active=(), **kw):
    return drift.Comparison(
        snapshot=snapshot(begun, **kw), differences=found, active_symbols=frozenset(active)
    )


@pytest.mark.parametrize(
    ("first", "second", "disputed", "confirmed"),
    [
        (comparison(0, WRONG), comparison(11, WRONG), (), True),
        (comparison(0, WRONG), comparison(10, WRONG), (), False),  # the first ended at 1
        (comparison(0, OTHER), comparison(11, WRONG), (), False),  # another figure
        (comparison(0), comparison(11, WRONG), (), False),  # seen once
        (comparison(0, WRONG, active="X"), comparison(11, WRONG), (), False),
        (comparison(0, WRONG), comparison(11, WRONG, active="X"), (), False),
        (comparison(0, WRONG, active="Y"), comparison(11, WRONG), (), True),
        (comparison(0, WRONG), comparison(11, WRONG), ("X",), False),
        (comparison(0, WRONG, **TORN), comparison(11, WRONG), (), False),
        (comparison(0, WRONG), comparison(11, WRONG, **TORN), (), False),
        (comparison(0, MONEY), comparison(11, MONEY), (), True),
        (
            comparison(0, MONEY, active="Y"),
            comparison(11, MONEY),
            (),
            False,
        ),  # any trade moves cash
    ],
)
def test_a_difference_is_confirmed_by_two_consecutive_snapshots(first, second, disputed, confirmed):
    (finding,) = drift.confirm(first, second, LAG, frozenset(disputed))
    assert finding.drift == second.differences[0].drift
    assert (finding.confidence is m.Confidence.CONFIRMED) is confirmed


def test_a_symbol_moves_while_an_order_is_in_flight_or_a_fill_is_fresh():
    at = {f"2026-03-02T14:59:{n}Z": n >= 50 for n in (49, 50)}
    for moment, fresh in at.items():
        fills = [fill("f1", 1, 9, at=moment)]
        assert drift.active_symbols(Records(), snapshot(fills=fills), LAG) == (
            {"AAPL"} if fresh else set()
        )
    assert drift.active_symbols(records(intended()), snapshot(), LAG) == {"AAPL"}
    working = records(intended(), report("new"))
    assert drift.active_symbols(working, snapshot(), LAG) == set()
    working.take(m.Commanded("c1", m.Command.CANCEL, 1, "b1"))
    assert drift.active_symbols(working, snapshot(), LAG) == {"AAPL"}


def test_a_symbol_is_disputed_while_an_order_on_it_is():
    record = records(intended(), report("new"), fill("f1", 5, 9, cum=5))
    assert drift.disputed_symbols(record) == set()
    record.take(bust("other", source="history"))
    assert drift.disputed_symbols(record) == {"AAPL"}


# -- explained -------------------------------------------------------------------------


def explain(before, *entries):
    after = Overlay(before)
    for n, entry in enumerate(entries, 1000):
        after.apply(apply.apply(entry, n, AT, after))
    return drift.explained_findings(entries, before, after)


def kinds(findings):
    return [type(x.drift).__name__ for x in findings]


def test_new_facts_of_a_report_are_one_finding_per_order():
    before = records(intended(), report("new"))
    filled = report("filled", 100, 9, "2026-03-02T15:00:05Z")
    found = explain(before, filled, fill("f1", 100, 9, cum=100))
    assert [x.drift for x in found] == [m.MissedFill("AAPL", "c1", Decimal(0), Decimal(100))]
    assert kinds(explain(before, report("canceled", clock="2026-03-02T15:00:05Z"))) == [
        "OrderStatusDiffers"
    ]
    assert explain(before, report("new")) == []


def test_external_orders_and_fills_are_findings_and_exits_of_ours_are_not():
    theirs = report("new", broker_order_id="x1", client_order_id="web")
    sale = fill("f1", 4, 9, broker_order_id="x1", cum=4, side=m.OrderSide.SELL)
    found = explain(records(intended()), theirs, sale)
    assert kinds(found) == ["UnknownToUs", "ExternalTrade"]
    assert found[1].drift.qty == -4
    by_value = evolve(sale, execution=evolve(sale.execution, in_quote=True, qty=Decimal(36)))
    assert explain(records(intended()), theirs, by_value)[1].drift.qty == -4
    parent = report("new")
    leg = report("held", broker_order_id="b2", client_order_id="L").report
    nested = evolve(parent, report=evolve(parent.report, legs=(leg,)))
    assert kinds(explain(records(intended()), nested)) == ["OrderStatusDiffers"]


def test_activities_and_orders_not_found_are_findings_and_other_entries_are_not():
    split = m.Activity(
        activity_id="a", kind=m.ActivityKind.SPLIT, at=AT, symbol="X", ratio=Decimal(2)
    )
    gone = m.NotFoundAfterSeen("c1", "b1")
    before = records(intended(), report("new"))
    found = explain(before, m.ActivityReported(split), gone, m.HistoryRead("b1"))
    assert kinds(found) == ["HappenedWithoutTrade", "UnknownToBroker"]
    assert (found[0].because, found[1].drift.symbol) == ("split", "AAPL")


def test_a_settlement_and_a_bust_explain_what_they_change():
    """The order is filled less than before: a merged finding of each."""
    before = records(intended(), report("new"), fill("f1", 4, 9, cum=4), fill("f2", 2, 9, cum=6))
    after = records(intended(), report("new"), fill("f1", 4, 9, cum=4))
    entries = [m.DisputeSettled("b1", ("f1",)), bust("f2")]
    for entry in entries:
        (found,) = drift.explained_findings([entry], before, after)
        assert found.drift == m.MissedFill("AAPL", "c1", Decimal(6), Decimal(4))


def test_the_entries_of_a_snapshot_begin_with_its_orders():
    read = snapshot(
        orders=(report().report,),
        by_id=(report("new").report,),
        fills=[fill("f1", 1, 9)],
        history_ids=("b1",),
        not_found=(m.NotFoundAfterSeen("c1", "b1"),),
        activities=(m.Activity(activity_id="a", kind=m.ActivityKind.FEE, at=AT),),
        number=7,
    )
    entries = drift.entries_of(read)
    assert [type(x).__name__ for x in entries] == [
        *(
            "Reported",
            "Reported",
            "Executed",
            "HistoryRead",
            "ActivityReported",
            "NotFoundAfterSeen",
        )
    ]
    assert [(x.source, x.snapshot) for x in entries[:2]] == [("list", 7), ("by_id", 7)]


# -- absence ---------------------------------------------------------------------------

VALUED = {"long_market_value": Decimal(1000), "short_market_value": Decimal(-500)}


@pytest.mark.parametrize(
    ("values", "account", "discarded"),
    [
        ((1000, -500), VALUED, False),
        ((1000, -529), VALUED, False),  # within two hundredths
        ((1000, -540), VALUED, True),
        ((1000,), VALUED, True),  # one is missing from the list
        ((1000, None), VALUED, False),  # not all are valued: nothing to compare
        ((1,), {}, False),
    ],
)
def test_market_values_sum_to_the_accounts(values, account, discarded):
    listed = [held(str(n), 1, value=m.number_or_none(x)) for n, x in enumerate(values)]
    found = missing.discard_reason(Records(), snapshot(positions=listed, account=account))
    assert (found is not None) is discarded


@pytest.mark.parametrize(
    ("values_crypto", "reported", "discarded"),
    [
        (True, 1500, False),
        (True, 1000, True),
        (False, 1000, False),
        (False, 1500, True),
        (None, 1500, False),
        (None, 1000, False),
        (None, 1200, True),
    ],
)
def test_whether_the_account_values_crypto_is_a_capability(values_crypto, reported, discarded):
    """Unknown: either sum is the account's.  The list of instruments says what is crypto."""
    account = {"long_market_value": Decimal(reported), "short_market_value": Decimal(0)}
    listed = [held("KO", 1, value=Decimal(1000))]
    for symbol in ("BTC/USD", "COIN", "ETH"):  # the last is the position that holds a base
        coin = m.InstrumentListed(m.Instrument("COIN", m.AssetClass.CRYPTO))
        ether = m.PairListed(m.Pair("ETH-EUR", "ETH", "EUR", "ETH"))
        record = records(coin, m.PairListed(pair_of("BTC/USD")), ether)
        seen = snapshot(positions=[*listed, held(symbol, 1, value=Decimal(500))], account=account)
        found = missing.discard_reason(record, seen, values_crypto)
        assert (found is not None) is discarded


def test_market_values_are_compared_only_if_a_position_is_missing():
    """Nothing else could be missing from the list after the opening balance."""
    opened = m.CashAdjusted(Decimal(1), "USD", AT, "OPENING")
    record = records(anchored("A", 1), anchored("B", 1), opened)
    both = [held(x, 1, value=Decimal(9)) for x in "AB"]
    assert missing.discard_reason(record, snapshot(positions=both, account=VALUED)) is None
    assert missing.discard_reason(record, snapshot(positions=both[:1], account=VALUED))


def test_a_confirmed_difference_says_what_was_read_and_from_when():
    seen = snapshot(20, positions=[held("X", 1)])
    read = evolve(seen, fills_since=AT, activities_since=m.timestamp("2026-02-20T00:00:00Z"))
    for now, because in (
        (seen, "orders do not explain it; this broker reports no fills and no activities"),
        (
            read,
            "orders, fills since 2026-03-02T15:00:00Z, activities since 2026-02-20T00:00:00Z "
            "do not explain it",
        ),
    ):
        found = tuple(drift.differences(Records(), now))
        before = drift.Comparison(
            snapshot=evolve(now, started=seconds(0), ended=seconds(1)), differences=found
        )
        (finding,) = drift.confirm(before, drift.Comparison(snapshot=now, differences=found), LAG)
        assert finding.because == f"confirmed: {because}"


@pytest.mark.parametrize(
    ("listed", "discarded"), [("AB", False), ("A", False), ("", True), ("ABC", False)]
)
def test_a_snapshot_without_most_of_the_positions_is_discarded(listed, discarded):
    """P6: such a snapshot is not observed; one without half of them is."""
    record = records(anchored("A", 1), anchored("B", 1))
    found = missing.discard_reason(record, snapshot(positions=[held(x, 1) for x in listed]))
    assert (found is not None) is discarded


def test_the_only_position_may_be_gone():
    assert missing.discard_reason(records(anchored("A", 1)), snapshot()) is None
