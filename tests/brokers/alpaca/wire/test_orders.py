"""Orders and events: every real payload becomes a value, and nothing is invented."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.brokers.alpaca.wire import account, enums, market, orders
from fillbook.brokers.wire.fields import parse
from fillbook.errors import InvalidValue
from tests.brokers.alpaca.recorded import a_fill_event, an_order, recorded

S = m.OrderStatus


@pytest.mark.parametrize("name", sorted(recorded("orders")))
def test_every_recorded_order_is_read(name: str) -> None:
    raw = recorded("orders")[name]
    report = orders.order(raw)
    assert (raw["id"], raw["client_order_id"]) == (report.broker_order_id, report.client_order_id)
    assert raw["status"] == report.status == report.raw_status
    assert raw["updated_at"][:19] == (report.clock or "")[:19]


def test_an_order_keeps_every_digit_as_text_and_as_number() -> None:
    exact = "12345678901.123456789"
    text = json.dumps(an_order(limit_price="PRICE", qty=exact, filled_qty=exact))
    report = orders.order(parse(text.replace('"PRICE"', exact)))
    assert Decimal(exact) == report.terms.limit_price == report.terms.qty == report.filled_qty


def test_nanoseconds_order_reports() -> None:
    report = orders.order(an_order(updated_at="2026-03-02T10:00:00.123456789-05:00"))
    assert report.clock == "2026-03-02T15:00:00.123456789Z"


@pytest.mark.parametrize("told", [None, "", "2026-03-02T10:00:00", "soon", "0001-01-01T00:00:00Z"])
def test_a_time_without_a_zone_is_none(told: str | None) -> None:
    assert orders.order(an_order(updated_at=told)).clock is None


@pytest.mark.parametrize(
    "raw", [each.value for each in S if each in orders.enums.STATUSES.values()]
)
def test_statuses_have_the_same_values_as_ours(raw: str) -> None:
    assert orders.order(an_order(status=raw)).status == raw


@pytest.mark.parametrize("ours", ["denied", "unproven", "absent", "disputed", "unrecognised"])
def test_our_own_statuses_are_not_accepted_from_a_broker(ours: str) -> None:
    assert orders.order(an_order(status=ours)).status is S.UNRECOGNISED


def test_our_own_time_in_force_is_not_accepted_from_a_broker() -> None:
    """An order at the broker has one; `default` is only of requests."""
    told = orders.order(an_order(time_in_force="default"))
    assert told.terms.time_in_force is m.TimeInForce.UNRECOGNISED


def test_unknown_statuses_are_kept_and_live() -> None:
    raw = an_order(status="frozen", type="iceberg", time_in_force="gtx", order_class="mleg")
    raw["asset_class"] = "treasury"
    report = orders.order(raw)
    assert (report.status, report.raw_status) == (S.UNRECOGNISED, "frozen")
    assert report.terms.type is m.OrderType.UNRECOGNISED
    assert report.terms.time_in_force is m.TimeInForce.UNRECOGNISED
    assert report.terms.order_class is m.OrderClass.UNRECOGNISED


def test_missing_and_null_fields_are_none_or_zero() -> None:
    report = orders.order({"id": "o1", "symbol": "KO", "side": "buy", "filled_qty": None})
    assert (
        report.filled_qty,
        report.client_order_id,
        report.terms.qty,
        report.clock,
    ) == (m.ZERO, None, None, None)


def test_the_head_of_a_multi_leg_order_counts_for_nothing_and_its_legs_do() -> None:
    report = orders.order(recorded("orders")["mleg_filled_with_legs"])
    assert (
        report.status,
        report.terms.symbol,
        report.filled_qty,
        report.terms.qty,
    ) == (S.FILLED, "", m.ZERO, None)
    assert [Decimal(3), Decimal(1)] == [leg.filled_qty for leg in report.legs]
    assert all(leg.terms.symbol.startswith("KO") for leg in report.legs)


def test_an_order_of_an_unknown_side_is_live_and_has_no_fills() -> None:
    report = orders.order(an_order(side="undisclosed", status="filled", filled_qty="2"))
    assert (report.status, report.filled_qty) == (S.UNRECOGNISED, m.ZERO)


def test_legs_have_no_legs() -> None:
    leg = an_order(legs=[an_order(id="inner")], status="held")
    assert orders.order(an_order(legs=[leg])).legs[0].legs == ()


def test_a_row_without_an_id_makes_its_page_unreadable() -> None:
    with pytest.raises(InvalidValue, match="order: id must be text"):
        orders.order_page([an_order(), an_order(id=None)])


def test_a_page_counts_legs_because_a_limit_may() -> None:
    page = orders.order_page([an_order(id="a", legs=[an_order()]), an_order(id="b")])
    assert (page.rows, page.last) == (3, "b")


def test_coins_are_spelt_through_the_list_and_nothing_else_is() -> None:
    names = {"DOGEUSD": "DOGE/USD"}
    coin = an_order(symbol="DOGEUSD", asset_class="crypto")
    share = an_order(symbol="DOGEUSD", asset_class="us_equity")
    assert orders.order(coin, names).terms.symbol == "DOGE/USD"
    assert orders.order(share, names).terms.symbol == "DOGEUSD"
    assert frozenset({"DOGEUSD"}) == orders.unresolved_crypto_symbols([coin, share, None, 5])


# Events


def test_a_fill_is_an_execution_of_this_slice_and_the_orders_total() -> None:
    order = an_order(status="filled", filled_qty="2", filled_avg_price="151.05")
    frame = a_fill_event(order=order, qty="0.5", price="151.1", execution_id="x9")
    (report,) = orders.events(frame)
    (execution,) = report.executions
    assert (execution.source, execution.exec_id) == (m.ExecSource.STREAM, "x9")
    assert (Decimal("0.5"), Decimal("151.1")) == (execution.qty, execution.price)
    assert Decimal(2) == execution.cum_qty == report.filled_qty


def test_frames_their_inner_part_and_their_json_read_the_same() -> None:
    frame = recorded("frames")["trade_updates_fill_crypto"]
    expected = orders.events(frame)
    assert expected == orders.events(frame["data"])
    assert expected == orders.events(json.dumps(frame)) == orders.events(json.dumps(frame).encode())


@pytest.mark.parametrize(
    "name",
    [
        "trade_updates_data_null",
        "listening_ack",
        "authorization_authorized_authenticate",
        "authorization_unauthorized_listen",
    ],
)
def test_frames_without_an_order_are_ignored(name: str) -> None:
    assert orders.events(recorded("frames")[name]) == ()


@pytest.mark.parametrize("missing", ["execution_id", "qty", "price", "timestamp"])
def test_a_fill_without_its_figures_leaves_the_orders_total(missing: str) -> None:
    order = an_order(status="filled", filled_qty="2")
    (report,) = orders.events(a_fill_event(order=order) | {})
    frame = a_fill_event(order=order, **{missing: None})
    (report,) = orders.events(frame)
    assert ((), Decimal(2)) == (report.executions, report.filled_qty)


def test_a_correction_fixes_the_execution_it_names() -> None:
    frame = a_fill_event("trade_correct", order=an_order(), execution_id="new", previous_id="old")
    (report,) = orders.events(frame)
    assert [(e.exec_id, e.fixes, e.cum_qty) for e in report.executions] == [("new", "old", None)]


def test_a_correction_that_names_nothing_adds_no_fill() -> None:
    (report,) = orders.events(a_fill_event("trade_correct", order=an_order()))
    assert report.executions == ()


@pytest.mark.parametrize(("previous", "expected"), [("old", "old"), (None, "own")])
def test_a_bust_voids_the_execution_it_names(previous: str | None, expected: str) -> None:
    frame = a_fill_event("trade_bust", order=an_order(), execution_id="own", previous_id=previous)
    (report,) = orders.events(frame)
    assert [(expected, m.ExecSource.STREAM)] == [(v.exec_id, v.source) for v in report.busts]


@pytest.mark.parametrize("event", ["new", "canceled", "restated", "something_new", None])
def test_other_events_are_reports_of_the_order(event: str | None) -> None:
    (report,) = orders.events(a_fill_event(event, order=an_order()))
    assert (report.executions, report.busts) == ((), ())


def test_the_broker_side_stream_has_the_same_shape() -> None:
    (report,) = orders.events(recorded("frames")["sse_new_notional"])
    assert (report.status, report.terms.symbol) == (S.NEW, "KO")


@pytest.mark.parametrize("raw", ["{", "[]", "null", 5, [], {"event": "fill"}, {"order": 5}])
def test_what_is_no_event_is_refused(raw: object) -> None:
    with pytest.raises(InvalidValue):
        orders.events(raw)


def test_a_typed_order_is_a_poke() -> None:
    models = pytest.importorskip("alpaca.trading.models")
    typed = models.Order(**an_order(filled_qty="2", legs=None))
    report = orders.typed_event(typed)
    assert (an_order()["id"], "KO") == (report.broker_order_id, report.terms.symbol)
    assert (report.filled_qty, report.terms.qty, report.clock) == (m.ZERO, None, None)


def test_a_typed_update_is_a_poke() -> None:
    models = pytest.importorskip("alpaca.trading.models")
    frame = a_fill_event(order=an_order(status="filled", filled_qty="2"))
    report = orders.typed_event(models.TradeUpdate(**frame["data"]))
    assert (an_order()["id"], ()) == (report.broker_order_id, report.executions)


@pytest.mark.parametrize("raw", [object(), None, 5, []])
def test_other_objects_are_no_pokes(raw: object) -> None:
    with pytest.raises(InvalidValue):
        orders.typed_event(raw)


# Any JSON: a value or InvalidValue

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.text(max_size=12),
    st.sampled_from(["", "buy", "filled", "1E+400", "NaN", "-0", "2026-13-45", "0930", "24:61"]),
    st.datetimes(timezones=st.just(None)).map(str),
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def _spoiled(sample: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """*sample* with some members replaced by arbitrary values, or left out."""
    names = st.sampled_from(sorted(sample))
    changes = st.dictionaries(names, _JSON, max_size=4)
    left_out = st.sets(names, max_size=3)
    return st.builds(
        lambda new, out: {k: v for k, v in (sample | new).items() if k not in out},
        changes,
        left_out,
    )


def _one_of(family: str) -> st.SearchStrategy[dict[str, object]]:
    return st.sampled_from(list(recorded(family).values())).flatmap(_spoiled)


PARSERS = {
    "order": (orders.order, _one_of("orders")),
    "page": (orders.order_page, st.lists(_one_of("orders"), max_size=2)),
    "event": (
        orders.events,
        st.builds(
            lambda frame, order, event: frame | {"order": order, "event": event},
            _spoiled(recorded("frames")["trade_updates_fill_crypto"]["data"]),
            _one_of("orders"),
            st.sampled_from(["fill", "partial_fill", "trade_bust", "trade_correct", "new"]),
        ),
    ),
    "account": (lambda raw: account.account(raw, "here"), _one_of("accounts")),
    "positions": (account.positions, st.lists(_one_of("positions"), max_size=2)),
    "fills": (account.executions, st.lists(_one_of("activities"), max_size=2)),
    "activities": (account.activities, st.lists(_one_of("activities"), max_size=2)),
    "last id": (account.last_id, st.lists(_one_of("activities"), max_size=2)),
    "assets": (market.instruments, st.lists(_one_of("assets"), max_size=2)),
    "calendar": (market.sessions, st.lists(_spoiled(recorded("calendar")["day"]), max_size=2)),
    "quotes": (
        market.quotes,
        st.builds(
            lambda quote: {"quotes": {"KO": quote}},
            _spoiled({"ap": 2.5, "bp": "2.4", "t": "2026-01-02T15:00:00Z"}),
        ),
    ),
}


@pytest.mark.parametrize("name", PARSERS)
def test_any_json_is_a_value_or_an_invalid_value(name: str) -> None:
    read, likely = PARSERS[name]

    @given(likely | _JSON)
    def whatever(raw: object) -> None:
        with suppress(InvalidValue):
            assert read(raw) is not NotImplemented

    whatever()


@given(_one_of("orders"))
def test_every_decoded_field_of_an_order_was_in_the_payload(raw: dict[str, object]) -> None:
    try:
        report = orders.order(raw)
    except InvalidValue:
        return
    said = [raw.get("filled_qty"), raw.get("filled_avg_price"), raw.get("status")]
    made = [report.filled_qty, report.avg_price, report.raw_status]
    for word, value in zip(said, made, strict=True):
        assert not value or str(word) == str(value) or Decimal(str(word)) == value
    known = enums.STATUSES.get(report.raw_status.lower(), m.OrderStatus.UNRECOGNISED)
    assert report.status in (known, m.OrderStatus.UNRECOGNISED)
    assert (report.executions, report.busts) == ((), ())


HOSTILE = [
    *(None, True, 0, -1, Decimal("1e999999"), Decimal("-0"), 10**400),
    *("", " ", "-0", "1e999999999", "9" * 100_000, "NaN", "-inf", "1_000", "١٢", "\ud800", "\x00"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "2026-01-02T15:00:00+99:99", "2026-01-02"),
    *("filled", "trade_bust", [], [[]], [{}], {}, {"a": 1}),
]
READERS = {
    "orders": orders.order,
    "accounts": lambda raw: account.account(raw, "here"),
    "positions": lambda raw: account.positions([raw]),
    "activities": lambda raw: account.activities([raw]),
    "fills": lambda raw: account.executions([raw]),
    "assets": lambda raw: market.instruments([raw]),
    "frames": orders.events,
}


@pytest.mark.parametrize("family", READERS)
def test_each_field_may_be_anything_and_costs_no_time(family: str) -> None:
    for raw in recorded(family.replace("fills", "activities")).values():
        for path in _paths(raw):
            for value in HOSTILE:
                began = time.thread_time()
                with suppress(InvalidValue):
                    assert READERS[family](_with(raw, path, value)) is not None
                assert time.thread_time() - began < 5, (path, value)  # else minutes, of CPU time


def _paths(raw: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in raw.items() if isinstance(raw, dict) else ():
        yield (*above, name)
        yield from _paths(value, (*above, name))


def _with(raw: dict[str, object], path: tuple[str, ...], value: object) -> dict[str, object]:
    name, *rest = path
    return raw | {name: _with(raw[name], tuple(rest), value) if rest else value}


@given(st.text() | st.binary())
def test_any_text_is_json_or_an_invalid_value(text: str | bytes) -> None:
    with suppress(InvalidValue):
        assert parse(text) is not NotImplemented


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000 + "x", "NaN", "Infinity", ""])
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not JSON"):
        parse(text)
