"""Corrections and busts: chains, and reports of one source about the fills of the other."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.journal.draft import Draft
from fillbook.core.orders import corrections_and_busts as corrections
from fillbook.core.reconcile import missing
from tests.core.records import AT, Records, bust, fill, intended, report, terms


def counted(*facts, reported=None):
    fills = [x.execution for x in facts if isinstance(x, m.Executed)]
    busts = [x.bust for x in facts if isinstance(x, m.Busted)]
    return corrections.count_executions(fills, busts, reported)


def words(found):
    return [(str(odd), detail) for odd, detail in found.oddities]


def history(*args, **kw):
    return fill(*args, source="history", **kw)


@pytest.mark.parametrize("first", ["a", "b", "c"])
def test_corrections_that_correct_each_other_are_one_chain_and_odd(first):
    """From every start in the loop."""
    ring = {"a": "b", "b": "c", "c": "a"}
    names = [first, *(x for x in ring if x != first)]
    found = counted(*(fill(x, 10, 9, fixes=ring[x]) for x in names))
    assert [c.root for c in found.stream] == ["a"]
    assert words(found) == [("correction_loop", "a")]


@pytest.mark.parametrize(
    ("facts", "living", "odd"),
    [
        ([history("h1", 10, 9), fill("s1", 10, 9), bust("s1")], [], []),
        ([history("h1", 10, 9), history("h2", 10, 9), bust("s1", 10)], ["h1", "h2"], ["s1"]),
        # The history lost such a quantity too: it is the same bust.
        ([history("h1", 10, 9), bust("h9", 10, "history"), bust("s1", 10)], ["h1"], []),
        # One source reports only the bust, the other the busted fill.
        ([history("h1", 20, 9), bust("h9", 10, "history"), fill("s1", 10, 8), bust("s1")],
         ["h1"], []),
        ([history("h1", 20, 9), bust("h9", 5, "history"), fill("s1", 10, 8), bust("s1")],
         ["h1"], ["s1"]),
        # Two are equal: no guess.
        ([history("h1", 10, 9), history("h2", 10, 9), fill("s1", 10, 9), bust("s1")],
         ["h1", "h2"], ["s1"]),
        # One place is taken once.
        ([history("h1", 10, 9), history("h2", 10, 7), fill("s1", 10, 9), bust("s1"),
          fill("s2", 10, 9), bust("s2")], ["h2"], ["s2"]),
    ],
)  # fmt: skip
def test_what_the_other_source_took_back_finds_its_one_place_or_is_disputed(facts, living, odd):
    found = counted(*facts)
    assert [c.root for c in found.chosen if not c.is_busted] == living
    assert words(found) == [("unmatched_correction", root) for root in odd]


def test_a_void_of_what_was_corrected_already_keeps_the_greatest_quantity():
    (chain,) = counted(fill("b", 10, 9, fixes="a"), bust("a", 30)).chosen
    assert (chain.gross, chain.is_busted, chain.is_amended) == (30, False, True)


def test_a_gap_has_no_price_if_the_average_contradicts_it():
    """A rounded average may leave a negative rest."""
    records = Records()
    for fact in (intended(), report("new", 11, "9"), fill("f1", 10, "9.95", cum=10)):
        records.take(fact)
    order = records.order()
    assert (order.filled_qty, order.filled_value, order.avg_price) == (11, None, None)


def test_a_quote_sized_order_never_agrees_to_a_bust_by_its_sums():
    """Its rows are in quote and its totals in base."""
    wish = {"symbol": "BTC/USD", "qty": None, "notional": Decimal(100)}
    row = fill("h1", 40, 30, source="history", symbol="BTC/USD", in_quote=True)
    records = Records()
    for fact in (intended(**wish), report("new", terms=terms(**wish)), row, bust("s9", 10)):
        records.take(fact)
    assert missing.confirm_busts(records, "b1", [row.execution]) == []


def test_an_overlay_reads_a_dropped_record_as_gone_and_a_restored_one_as_unchanged():
    records = Records()
    records.take(intended())
    draft = Draft(records, 9, AT)
    order = draft.get(m.OrderRecord, "c1")
    draft.drop(m.OrderRecord, "c1")
    assert draft.get(m.OrderRecord, "c1") is None
    assert draft.changes().drop == ((m.OrderRecord, "c1"),)
    draft.put(order)
    assert not draft.changes()


CLOCK = [f"2026-03-02T15:00:0{n}Z" for n in range(4)]
VERSIONS = (
    history("h1", 10, 9, cum=10, at=CLOCK[0]),
    history("h2", 8, "8.5", cum=8, at=CLOCK[2]),  # h1 corrected: it begins at 0 as well
    history("h3", 10, 9, cum=20, at=CLOCK[1]),
)


@pytest.mark.parametrize("other", [(), (bust("s1", 10),), (fill("s1", 10, 9, cum=10), bust("s1"))])
def test_rows_beyond_the_total_that_begin_at_one_quantity_are_one_execution(other):
    """A history that lists a correction beside the original, and what it corrects nowhere."""
    records = Records()
    for fact in (intended(qty=20), report("partially_filled", 18, clock=CLOCK[3]), *VERSIONS):
        records.take(fact)
    assert (records.order().filled_qty, records.order().filled_value) == (18, 158)
    assert records.position().qty == 18
    for fact in other:  # the bust of a version that does not count changes nothing
        records.take(fact)
    assert records.order().filled_qty == 18


def test_rows_within_the_total_are_fills_of_their_own_until_it_is_lower():
    """Two rows of the same total may be two fills whose totals the broker rounded."""
    records = Records()
    first = (intended(qty=20), report("partially_filled", 20, clock=CLOCK[1]))
    for fact in (*first, history("h1", 10, 9, cum=10), history("h2", 10, 9, cum=10, at=CLOCK[2])):
        records.take(fact)
    assert records.order().filled_qty == 20
    records.take(report("partially_filled", 10, clock=CLOCK[3]))
    assert records.order().filled_qty == 10
    named = {x.oddity for x in records.order().anomalies}
    assert not named & {m.Oddity.CUM_BELOW_EXECUTIONS, m.Oddity.OVERFILL}


CORRECTIONS = (
    fill("s1", 10, 9, cum=10, at=CLOCK[0]),
    fill("s2", 9, "8.5", fixes="s1", at=CLOCK[1]),
    history("h1", 5, 8, cum=5, at=CLOCK[2], fixes="s3"),  # s3 corrected s2; nobody reported it
    history("h2", 10, 9, cum=20, at=CLOCK[1]),
)


def corrected(*facts, total=15):
    records = Records()
    for fact in (intended(qty=20), *facts, report("filled", total, clock=CLOCK[3])):
        records.take(fact)
    order = records.order()
    return order.status.value, order.filled_qty, order.filled_value


def test_a_history_that_sums_to_the_total_has_every_newest_version():
    """What it corrected was corrected before, whatever of that the stream reported."""
    assert corrected(*CORRECTIONS) == ("filled", 15, 130)
    assert corrected(*CORRECTIONS[1:]) == ("filled", 15, 130)
    assert corrected(CORRECTIONS[1], *CORRECTIONS[2:]) == ("filled", 15, 130)


@pytest.mark.parametrize(
    "later",
    [
        fill("s4", 5, "7.5", fixes="s3", at=CLOCK[3]),  # the history was read before
        bust("s4", 5),  # the total may have it still
    ],
)
def test_a_history_is_not_complete_that_lacks_what_the_stream_reported_later(later):
    status, *_ = corrected(*CORRECTIONS, later)
    assert status == "disputed"


def test_of_two_corrections_of_one_execution_the_later_one_counts():
    """The links between them were lost."""
    for facts in (VERSION, VERSION[::-1]):
        records = Records()
        for fact in (intended(qty=10), *facts, report("filled", 10, clock=CLOCK[3])):
            records.take(fact)
        assert records.order().filled_value == 80


def test_a_correction_that_begins_where_a_known_fill_does_is_of_it():
    """Although another version has the same quantity and price, and is older."""
    facts = (
        history("h1", 5, 9, cum=5, at=CLOCK[0]),
        history("h2", 5, 9, cum=10, at=CLOCK[0]),
        history("h3", 5, "9.5", cum=10, at=CLOCK[1], fixes="h2"),
        fill("s4", 5, "9.2", fixes="h3", at=CLOCK[2]),
        history("h5", 5, "9.5", cum=10, at=CLOCK[3], fixes="h4"),
    )
    assert corrected(*facts, total=10) == ("filled", 10, Decimal("92.5"))


@pytest.mark.parametrize("total", [5, 10, 20])
def test_corrections_that_begin_at_one_quantity_are_one_execution_within_the_total_too(total):
    """The report of the total is older than both, or has room for fills that are not listed."""
    facts = (
        history("h2", 10, 9, cum=10, at=CLOCK[0], fixes="h1"),
        history("h4", 5, 8, cum=5, at=CLOCK[1], fixes="h3"),
    )
    _, filled, value = corrected(*facts, total=total)
    assert (filled, value) == ((5, 40) if total <= 10 else (15, None))


@pytest.mark.parametrize("qty", [5, 10])
@pytest.mark.parametrize("is_known", [True, False], ids=["original known", "original unknown"])
def test_a_row_later_than_the_correction_in_the_stream_is_a_later_version(qty, is_known):
    """The second correction was not streamed, and the history does not link its rows."""
    stream = (
        fill("s1", 10, 9, cum=10, at=CLOCK[0]),
        fill("s2", qty, 8, cum=None if is_known else qty, fixes="s1", at=CLOCK[1]),
    )
    row = history("h3", qty, "8.5", cum=qty, at=CLOCK[2])
    facts = (*stream[0 if is_known else 1 :], row)
    expected = ("filled", qty, qty * Decimal("8.5"))
    assert corrected(*facts, total=qty) == expected
    assert corrected(*facts[::-1], total=qty) == expected


def test_a_later_row_of_another_fill_leaves_the_correction_in_the_stream():
    facts = (
        fill("s1", 5, 9, cum=5, at=CLOCK[0]),
        fill("s2", 5, 8, fixes="s1", at=CLOCK[1]),
        history("h1", 5, 9, cum=5, at=CLOCK[0]),
        history("h3", 5, 7, cum=10, at=CLOCK[2]),
    )
    assert corrected(*facts, total=10) == ("filled", 10, 75)


def test_a_correction_that_equals_another_fill_of_its_source_is_not_a_version_of_that():
    """The first correction of s2 was not streamed; s1 has the quantity and price of the second."""
    facts = (
        fill("s1", 2, 9, cum=2, at=CLOCK[0]),
        fill("s2", 8, 9, cum=10, at=CLOCK[0]),
        fill("s4", 2, 9, fixes="s3", at=CLOCK[2]),
    )
    assert words(counted(*facts, reported=4)) == [("unmatched_correction", "s3")]
    rows = (
        history("h1", 2, 9, cum=2, at=CLOCK[0]),
        history("h4", 2, 9, cum=4, at=CLOCK[2], fixes="h3"),
    )
    assert corrected(*facts, *rows, total=4) == ("filled", 4, 36)


def test_a_history_is_not_complete_beside_a_later_correction_of_its_own():
    """The links are lost; the later one counts."""
    facts = (
        history("h1", 10, 9, cum=10, at=CLOCK[0]),
        history("h2", 10, 8, cum=10, at=CLOCK[1], fixes="h1"),
        history("h4", 10, 7, cum=10, at=CLOCK[2], fixes="h3"),
    )
    assert corrected(*facts, total=10) == ("filled", 10, 70)


def test_a_correction_in_the_stream_is_no_fill_beside_one_that_it_may_correct():
    """The total has room for it: the gap counts it, at an unknown price."""
    facts = (
        fill("s1", 2, 9, cum=2, at=CLOCK[0]),
        fill("s2", 1, 9, cum=5, at=CLOCK[0]),
        fill("s4", 2, "9.5", fixes="s3", at=CLOCK[1]),
    )
    assert corrected(*facts, total=5) == ("filled", 5, None)


VERSION = (
    fill("s2", 10, 9, fixes="s1", at=CLOCK[1]),
    history("h4", 10, 8, cum=10, fixes="h3", at=CLOCK[2]),
)


@pytest.mark.parametrize("is_replacing", [False, True])
def test_corrections_of_unknown_fills_are_no_more_than_the_total(is_replacing):
    """That of a replacing id bounds its own fills too."""
    records = Records()
    replaces = {"replaces": "b0"} if is_replacing else {}
    facts = [
        fill(f"s{n}", 1, price, fixes=f"f{n}", at=CLOCK[n]) for n, price in enumerate((7, 8, 9))
    ]
    for fact in (intended(qty=2), *facts, report("filled", 2, clock=CLOCK[3], **replaces)):
        records.take(fact)
    assert records.order().filled_qty <= 2


@pytest.mark.parametrize(
    ("second", "status", "value"), [(1, "filled", 90), (3, "disputed", 90), (30, "filled", 80)]
)
def test_a_row_without_a_reference_is_a_correction_if_it_is_much_later(second, status, value):
    """
    A broker may list a correction at the time of the original, a few seconds apart.

    A row that is a little later than the correction may be the original, or another correction.
    """
    correction = fill("s2", 10, 9, fixes="s1", at=CLOCK[1])
    row = history("h3", 10, 8, cum=10, at=f"2026-03-02T15:00:{second:02}Z")
    assert corrected(correction, row, total=10) == (status, 10, value)
    original = fill("s1", 10, 8, cum=10, at=CLOCK[0])
    assert corrected(original, correction, row, total=10)[0] == "filled"  # the row is the original


def test_a_void_beside_a_history_that_sums_to_the_total_is_none_of_its_rows():
    """The source that counts may still list what was busted."""
    facts = (*CORRECTIONS[2:], bust("h9", 5, "history"))
    assert corrected(*facts)[1] == 15


def test_originals_of_one_beginning_are_fills_of_their_own_within_the_total():
    """Neither says that it corrects something."""
    rows = [x.execution for x in (history("h1", 10, 9, cum=10), history("h2", 10, 8, cum=10))]
    assert len(corrections.count_executions(rows, (), Decimal(20)).chosen) == 2
    found = corrections.count_executions(rows, (), Decimal(10))
    assert [x.is_superseded for x in found.chosen].count(False) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_correction_that_only_the_history_lists_is_of_the_fill_that_begins_where_it_does(order):
    """The stream lost it, and the history was read only afterwards: it has the new version only."""
    facts = [
        fill("s1", 5, 9, cum=5, at=CLOCK[0]),
        fill("s2", 10, 9, cum=15, at=CLOCK[0]),
        history("h1", 5, 9, cum=5, at=CLOCK[0]),
        history("h2", 5, 9, cum=10, at=CLOCK[2]),
        report("canceled", 10, "9", clock=CLOCK[3]),
    ]
    records = Records()
    for fact in (intended(), *facts[::order]):
        records.take(fact)
    order_now = records.order()
    assert (order_now.filled_qty, order_now.filled_value, order_now.anomalies) == (10, 90, ())
    assert records.position().qty == 10
