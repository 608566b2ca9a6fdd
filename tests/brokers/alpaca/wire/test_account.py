"""Account, positions, history: quantities and movements."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.brokers.alpaca.wire import account, enums, market
from fillbook.errors import InvalidValue
from tests.brokers.alpaca.recorded import recorded

K = m.ActivityKind


@pytest.mark.parametrize("name", sorted(recorded("accounts")))
def test_every_recorded_account_is_read(name: str) -> None:
    raw = recorded("accounts")[name]
    found = account.account(raw, "here")
    assert m.AccountId("alpaca", "here", raw["id"]) == found.account
    assert (Decimal(raw["buying_power"]), ()) == (found.buying_power, found.blocked)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"trading_blocked": True}, ("trading_blocked",)),
        ({"account_blocked": "true"}, ("account_blocked",)),
        ({"trade_suspended_by_user": True}, ("trade_suspended_by_user",)),
        ({"status": "ACCOUNT_CLOSED_PENDING"}, ("status ACCOUNT_CLOSED_PENDING",)),
        ({"status": None}, ()),
    ],
)
def test_a_blocked_account_has_the_reason(
    change: dict[str, object], expected: tuple[str, ...]
) -> None:
    raw = recorded("accounts")["paper_2x"] | change
    assert expected == account.account(raw, "here").blocked


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"transfers_blocked": True}, ("transfers_blocked",)),
        ({"shorting_enabled": False}, ("no shorting",)),
        ({"shorting_enabled": None}, ()),
    ],
)
def test_a_restricted_account_accepts_orders_and_lists_its_restrictions(
    change: dict[str, object], expected: tuple[str, ...]
) -> None:
    found = account.account(recorded("accounts")["paper_2x"] | change, "here")
    assert (found.blocked, found.restricted) == ((), expected)


@pytest.mark.parametrize("missing", ["id", "cash", "equity", "buying_power"])
def test_an_account_without_its_money_is_no_account(missing: str) -> None:
    raw = recorded("accounts")["paper_2x"]
    del raw[missing]
    with pytest.raises(InvalidValue, match=f"account.*: {missing} must be"):
        account.account(raw, "here")


@pytest.mark.parametrize("name", sorted(recorded("positions")))
def test_every_recorded_position_is_read(name: str) -> None:
    raw = recorded("positions")[name]
    (found,) = account.positions([raw])
    assert Decimal(raw["qty"]) == found.qty
    assert Decimal(raw["qty_available"]) == found.qty_available
    assert Decimal(raw["avg_entry_price"]) == found.avg_price


@pytest.mark.parametrize("qty", ["-3", "3"])
def test_a_short_position_is_negative_with_either_reported_sign(qty: str) -> None:
    raw = recorded("positions")["equity_long"] | {"side": "short", "qty": qty}
    assert Decimal(-3) == account.positions([raw])[0].qty


def test_a_crypto_position_has_the_symbol_of_orders() -> None:
    names = market.crypto_aliases(market.instruments([recorded("assets")["crypto"]]))
    (found,) = account.positions([recorded("positions")["crypto"]], names)
    assert found.symbol == "DOGE/USD"


def test_a_position_without_a_quantity_makes_the_page_unreadable() -> None:
    rows = [recorded("positions")["equity_long"], {"symbol": "KO", "qty": None}]
    with pytest.raises(InvalidValue, match="position KO: qty must be a number"):
        account.positions(rows)


@pytest.mark.parametrize("name", ["fill", "fill_2019"])
def test_a_fill_of_the_history_is_an_execution(name: str) -> None:
    raw = recorded("activities")[name]
    (found,) = account.executions([raw])
    assert (m.ExecSource.HISTORY, raw["id"]) == (found.source, found.exec_id)
    assert Decimal(raw["cum_qty"]) == found.cum_qty
    # The prefix of the id is New York's time; only the transaction's own time is taken.
    assert raw["transaction_time"][:19] == found.at[:19]


@pytest.mark.parametrize(
    "change",
    [
        {"order_id": None},
        {"qty": "0"},
        {"price": "0"},
        {"side": "sideways"},
        {"transaction_time": "2026-01-02T10:00:00"},
        {"type": "trade_bust"},
    ],
)
def test_a_fill_that_cannot_be_booked_makes_the_page_unreadable(change: dict[str, object]) -> None:
    raw = recorded("activities")["fill"]
    with pytest.raises(InvalidValue, match=f"fill {raw['id']}"):
        account.executions([raw, raw | change])


def test_an_old_short_sale_is_a_sale() -> None:
    raw = recorded("activities")["fill"] | {"side": "sell_short"}
    assert m.OrderSide.SELL is account.executions([raw])[0].side


@pytest.mark.parametrize(
    ("name", "kind", "qty", "cash"),
    [
        ("cfee", K.FEE, Decimal("-0.000428"), m.ZERO),
        ("div", K.DIVIDEND, None, Decimal("1.05")),
        ("opasn", K.ASSIGNMENT, Decimal(1), m.ZERO),
        ("optrd", K.ASSIGNMENT, Decimal(-100), Decimal(451)),
    ],
)
def test_rows_that_are_no_trade(
    name: str, kind: m.ActivityKind, qty: Decimal | None, cash: Decimal
) -> None:
    (found,) = account.activities([recorded("activities")[name]])
    assert (kind, qty, cash) == (found.kind, found.qty, found.cash)


#: Activity types without a kind of ours: their movement has its own raw name.
OTHERS = (
    *("cil", "extrd", "fxtrd", "int", "intnra", "intpnl", "inttw", "mem", "misc", "oct"),
    *("reo", "swp", "wh", "a-word-of-tomorrow"),
)


@pytest.mark.parametrize("word", [*sorted(enums.ACTIVITIES), *OTHERS])
def test_each_activity_type_has_its_kind_and_none_is_dropped(word: str) -> None:
    raw = recorded("activities")["optrd"] | {"activity_type": word.upper()}
    (found,) = account.activities([raw])
    assert enums.ACTIVITIES.get(word, K.OTHER) is found.kind
    assert (word.upper(), Decimal(451)) == (found.raw_kind, found.cash)
    assert found.qty == (None if found.kind is K.DIVIDEND else Decimal(-100))


@pytest.mark.parametrize(
    ("word", "expected"),
    [("SPLIT", "2026-03-01T05:00:00.000000000Z"), ("CFEE", "2026-03-02T04:59:59.999999000Z")],
)
def test_splits_come_before_the_days_trades_and_fees_after(word: str, expected: str) -> None:
    raw = recorded("activities")["optrd"] | {"activity_type": word, "date": "2026-03-01"}
    assert expected == account.activities([raw])[0].at


def corporate(word: str, **fields: str) -> m.Activity:
    """A row of a corporate action, with the fields of a split's."""
    raw = {
        "id": "20240201000000000::1",
        "activity_type": word,
        "date": "2024-02-01",
        "net_amount": "0",
        "symbol": "KO",
        "qty": "-10",
        "price": "100.00",
        "status": "executed",
        "group_id": "g",
    }
    (found,) = account.activities([raw | fields])
    return found


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("REMOVE, From QTY:10, To QTY:30, Position Value:1000.00", Decimal(3)),
        ("ADD, From QTY:-25, To QTY:2.5, Position Value:209.35", Decimal("0.1")),
        ("ADD, From QTY:7, To QTY:2.333333333, Position Value:209.35", None),
        ("From QTY:0, To QTY:30", None),
        ("From QTY:1.2.3, To QTY:30", None),
        ("", None),
    ],
)
def test_the_text_of_a_split_may_have_its_ratio(text: str, ratio: Decimal | None) -> None:
    """A quantity that was rounded does not tell the ratio; the pair of rows does."""
    assert ratio == corporate("SPLIT", description=text).ratio
    assert corporate("MA", description=text).ratio is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *(("MA", K.MERGER), ("REORG", K.MERGER), ("OPCA", K.MERGER)),
        *(("SPIN", K.SPIN_OFF), ("VOF", K.SPIN_OFF), ("NC", K.SYMBOL_CHANGE)),
    ],
)
def test_the_rows_of_a_corporate_action_have_its_group_and_the_start_of_the_day(
    word: str, kind: m.ActivityKind
) -> None:
    found = corporate(word, source_symbol=" pep ")
    assert (kind, Decimal(-10), "g") == (found.kind, found.qty, found.group_id)
    assert (found.at, found.dated) == ("2024-02-01T05:00:00.000000000Z", True)
    assert found.source == "PEP"
    assert corporate(word).source is None


@pytest.mark.parametrize("kind", ["DIVNRA", "PTC", "INT", "A_NEW_KIND"])
def test_an_amount_per_unit_moves_no_units(kind: str) -> None:
    paid = {"activity_type": kind, "qty": "100", "per_share_amount": "-0.02", "net_amount": "-2"}
    (found,) = account.activities([recorded("activities")["div"] | paid])
    assert (found.qty, found.cash) == (None, -2)


def test_a_dividend_without_cash_moves_units() -> None:
    """Whatever its sub-type: a cash dividend has been listed as SDIV."""
    paid = {"qty": "2", "per_share_amount": "0.51", "activity_sub_type": "SDIV"}
    assert corporate("DIV", net_amount="1.02", **paid).qty is None
    assert corporate("DIV", **paid).qty is None
    assert corporate("DIV", qty="0.5", net_amount="0").qty == Decimal("0.5")


def test_fills_are_not_read_as_other_activity() -> None:
    assert account.activities([recorded("activities")["fill"]]) == ()


# What can be traded


def test_a_share_and_a_coin() -> None:
    share, coin = market.instruments(list(recorded("assets").values())[::-1])
    assert ("KO", Decimal("1E-9"), True, None) == (
        share.symbol,
        share.qty_increment,
        share.shortable,
        share.min_notional,
    )
    assert ("DOGE/USD", Decimal(10), False) == (coin.symbol, coin.min_notional, coin.shortable)
    assert "DOGEUSD" in coin.aliases


@pytest.mark.parametrize(
    ("change", "shortable"),
    [
        ({"borrow_status": "hard_to_borrow"}, False),
        ({"borrow_status": None, "easy_to_borrow": False}, False),
        ({"borrow_status": None, "easy_to_borrow": None}, True),
        ({"shortable": False}, False),
    ],
)
def test_shortable_shares_are_reported_in_one_of_two_fields(
    change: dict[str, object], shortable: bool
) -> None:
    (found,) = market.instruments([recorded("assets")["equity"] | change])
    assert shortable is found.shortable


def test_the_calendar_is_new_yorks_in_winter_and_in_summer() -> None:
    raw = recorded("calendar")["day"]
    winter, summer = market.sessions([raw | {"date": "2026-01-05"}, raw | {"date": "2026-07-06"}])
    assert datetime(2026, 1, 5, 14, 30, tzinfo=UTC) == winter.opens
    assert datetime(2026, 7, 6, 13, 30, tzinfo=UTC) == summer.opens
    assert (date(2026, 7, 6), datetime(2026, 7, 7, 0, 0, tzinfo=UTC)) == (
        summer.day,
        summer.extended_closes,
    )


def test_a_quote_without_one_of_its_sides_is_none() -> None:
    at = "2026-01-05T15:00:00.5Z"
    raw = {"quotes": {"KO": {"ap": 61.2, "bp": "61.1", "t": at}, "GM": {"ap": 0, "bp": 2, "t": at}}}
    (found,) = market.quotes(raw)
    assert ("KO", Decimal("61.1"), Decimal("61.2")) == (found.symbol, found.bid, found.ask)
