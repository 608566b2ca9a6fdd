"""
P4, P5: the evidence of one broker id equals the definition, step by step.

Every set of facts that Hypothesis generates has to give the result of `definition`.  Quantities are
small integers, so that executions of the two sources are often equal.
"""

from decimal import Decimal

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core.orders.corrections_and_busts import DISPUTED_ODDITIES
from tests.core.orders.definition import LIMIT, SOURCES, Result, define
from tests.core.records import Records, bust, fill, intended, report

# -- the facts -------------------------------------------------------------------------


IDS = ("a", "b", "c", "d")  # a correction names one before it, so there are no loops
AT = [f"2026-03-02T15:00:0{n}Z" for n in range(4)]
PRICES = st.sampled_from((5, 6))
QTYS = st.sampled_from((10, 20))


@st.composite
def executions(draw):
    n = draw(st.integers(0, len(IDS) - 1))
    source = draw(st.sampled_from(SOURCES))
    fixes = draw(st.sampled_from((None, None, None, "unseen", *IDS[:n])))
    prefix = draw(st.sampled_from(("", "s" if source == "stream" else "")))
    return fill(
        prefix + IDS[n],
        draw(QTYS),
        draw(PRICES),
        cum=draw(st.sampled_from((None, 10, 20, 30, 40))),
        source=source,
        at=draw(st.sampled_from(AT)),
        fixes=fixes if fixes in (None, "unseen") else prefix + fixes,
    )


@st.composite
def busts(draw):
    return bust(
        draw(st.sampled_from((*IDS, "sa", "sb", "unseen"))),
        draw(st.sampled_from((None, 10, 20))),
        draw(st.sampled_from(SOURCES)),
    )


@st.composite
def snapshots(draw):
    cum = draw(st.sampled_from((0, 10, 20, 30, 40, 60)))
    return report(
        draw(st.sampled_from(("new", "partially_filled", "filled"))),
        cum,
        draw(st.sampled_from((None, "5.5", "6", "8"))) if cum else None,
        draw(st.sampled_from((None, *AT))),
        last_fill_at=draw(st.sampled_from((None, m.timestamp(AT[1]), m.timestamp(AT[3])))),
        fill_count=draw(st.sampled_from((None, None, 1, 2))),
    )


#: By its first report the order is known to be ours; it too may come last.
FIRST = report("new", 0, clock=AT[0])
facts = st.lists(st.one_of(executions(), executions(), busts(), snapshots()), max_size=8).flatmap(
    lambda some: st.permutations([FIRST, *some])
)


def amounts(heard, *before):
    """The result of our record."""
    records = Records()
    for fact in (*before, intended(limit_price=LIMIT), *heard):
        records.take(fact)
    e = records.get(m.Evidence, "b1")
    odd = {a.oddity for a in records.order().anomalies}
    return Result(
        str(e.source),
        e.filled,
        e.value,
        e.gap,
        e.gap_price,
        e.complete,
        bool(odd & DISPUTED_ODDITIES),
    )


@given(facts)
def test_the_evidence_of_an_id_equals_the_definition(heard):
    """Running sums equal the definition over the whole set, in every order of arrival."""
    assert amounts(heard) == define(heard)


@given(facts)
def test_without_a_clock_the_greatest_total_of_a_broker_counts(heard):
    """Step 8: snapshots are numbered in the order in which they were begun."""
    looks = [evolve(x, snapshot=n) if isinstance(x, m.Reported) else x for n, x in enumerate(heard)]
    unclocked = m.Bound(m.AccountId("sim", "localhost", "a1"), clocked=False)
    assert amounts(looks, unclocked) == define(heard, clocked=False)


@given(facts)
def test_a_gap_below_the_quantum_of_a_coin_is_rounding(heard):
    """Step 14: a tenth of the increment, here so large that a gap of 10 is nothing."""
    coin = m.Instrument("AAPL", m.AssetClass.CRYPTO, qty_increment=Decimal(200))
    assert amounts(heard, m.InstrumentListed(coin)) == define(heard, quantum=Decimal(20))
