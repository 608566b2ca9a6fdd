"""Requests per minute: never above the limit, and an exit always gets its share."""

from datetime import UTC, datetime

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import rate_limit
from fillbook.core.rate_limit import LANE_LIMITS_PERCENT, Budget, Lane

NEVER = datetime(2026, 3, 2, tzinfo=UTC)


def meter(remaining, limit=200):
    return m.RateLimit(limit, remaining, NEVER)


def storm(budget, asked):
    """Request each (wait in ms, lane) in turn; return the granted ones as (time in ms, lane)."""
    let_go, now_ms = [], 0
    for wait_ms, lane in asked:
        now_ms += wait_ms
        now = now_ms // 1000
        if rate_limit.next_allowed_at(budget, lane, now) <= now:
            budget = rate_limit.count_request(budget, now)
            let_go.append((now_ms, lane))
    return let_go


asks = st.lists(
    st.tuples(st.sampled_from([0, 1, 999, 1000, 7000, 59_999, 60_001]), st.sampled_from(Lane)),
    max_size=120,
)


@given(limit=st.integers(1, 40), asked=asks)
def test_in_no_minute_is_more_sent_than_the_limit(limit, asked):
    """For every sequence of lanes and times; compared with a plain list of times."""
    sent = storm(Budget(limit=limit), asked)
    for moment, _ in sent:
        assert sum(moment - 60_000 < other <= moment for other, _ in sent) <= limit


@given(limit=st.integers(1, 200), asked=st.lists(st.tuples(asks, st.booleans()), max_size=4))
def test_in_no_minute_is_more_sent_than_the_limit_by_processes_with_blocks(limit, asked):
    """Each has counted some in advance; in its block there is a share only for its lanes."""
    budget, blocks, sent, now_ms = Budget(limit=limit), {}, [], 0
    for asks_of_one, who in asked:
        for wait_ms, lane in asks_of_one:
            now_ms += wait_ms
            now, block = now_ms // 1000, blocks.get(who)
            if block is not None and rate_limit.may_use(budget, block, lane, now):
                blocks[who] = evolve(block, sent=(*block.sent, now))
                sent.append(now_ms)
                continue
            if block is not None:
                budget = rate_limit.give_back(budget, blocks.pop(who), now)
            if rate_limit.next_allowed_at(budget, lane, now) <= now:
                budget, blocks[who] = rate_limit.lease(budget, lane, now)
                sent.append(now_ms)
    for moment in sent:
        assert sum(moment - 60_000 < other <= moment for other in sent) <= limit
    counted = sum(count for _, count in budget.counted)
    assert counted >= sum(now_ms - 60_000 < x for x in sent)


@given(burst=st.integers(1, 9), asked=asks, late_ms=st.lists(st.integers(0, 999), min_size=120))
def test_in_no_second_is_more_sent_than_the_burst(burst, asked, late_ms):
    """A request leaves up to a second after it is counted."""
    sent = storm(Budget(limit=1000, burst=burst), asked)
    left = [moment + late for (moment, _), late in zip(sent, late_ms, strict=False)]
    for moment in left:
        assert sum(moment - 1000 < other <= moment for other in left) <= burst


@given(limit=st.integers(5, 40), asked=asks)
def test_an_exit_finds_the_share_that_is_kept_for_it(limit, asked):
    """
    With any number of other requests, an exit is granted until the exits have used their share.
    """
    budget, exits, now_ms = Budget(limit=limit), [], 0
    share = limit - -(-limit * LANE_LIMITS_PERCENT[Lane.SUBMIT] // 100)
    for wait_ms, lane in asked:
        now_ms += wait_ms
        now = now_ms // 1000
        goes = rate_limit.next_allowed_at(budget, lane, now) <= now
        if lane is Lane.EXIT:
            lately = [x for x in exits if x + rate_limit.WINDOW_S > now]
            assert goes or len(lately) >= share
            exits += [now] * goes
        budget = rate_limit.count_request(budget, now) if goes else budget


@given(
    limit=st.integers(1, 40),
    asked=asks,
    lane=st.sampled_from(Lane),
    more=st.integers(1, 60),
    burst=st.none() | st.integers(1, 5),
)
def test_a_refused_request_is_granted_at_its_time_and_not_before(limit, asked, lane, more, burst):
    """The second that it names is the first possible one."""
    budget, now = Budget(limit=limit, burst=burst), 0
    for wait_ms, other in asked:
        now += wait_ms // 1000
        if rate_limit.next_allowed_at(budget, other, now) <= now:
            budget = rate_limit.count_request(budget, now)
    free = rate_limit.next_allowed_at(budget, lane, now)
    assert rate_limit.next_allowed_at(budget, lane, max(free, now)) <= max(free, now)
    if free > now:
        before = max(now, free - more)
        assert rate_limit.next_allowed_at(budget, lane, before) > before


def test_a_lane_fills_the_minute_up_to_its_level():
    """Above its level only the lanes above it are granted."""
    budget, went = Budget(limit=200), {}
    for lane in reversed(Lane):
        while rate_limit.next_allowed_at(budget, lane, 7) <= 7:
            budget = rate_limit.count_request(budget, 7)
        went[lane] = sum(count for _, count in budget.sent)
    assert went == {
        Lane.BACKFILL: 60,
        Lane.RECONCILE: 100,
        Lane.VERIFY: 130,
        Lane.SUBMIT: 160,
        Lane.EXIT: 200,
    }
    assert rate_limit.next_allowed_at(budget, Lane.EXIT, 7) == 69


def test_what_others_send_with_our_keys_is_counted_until_the_broker_counts_anew():
    """The broker reports 30 left where we sent one: an exit is granted, no other lane is."""
    budget = rate_limit.apply_rate_limit(
        rate_limit.count_request(Budget(limit=200), 10), meter(30), 40, 10
    )
    assert (budget.others, budget.others_until) == (169, 40)
    assert rate_limit.next_allowed_at(budget, Lane.SUBMIT, 10) == 40
    assert rate_limit.next_allowed_at(budget, Lane.EXIT, 10) <= 10
    overtaken = rate_limit.apply_rate_limit(budget, meter(199), 50, 11)
    assert overtaken == budget
    later = rate_limit.apply_rate_limit(budget, meter(199), 100, 40)
    assert (later.others, later.others_until) == (0, 0)


def test_a_broker_with_a_wrong_clock_holds_requests_for_at_most_a_minute():
    """Neither its count nor its refusal holds longer."""
    budget = rate_limit.back_off(
        rate_limit.apply_rate_limit(Budget(limit=200), meter(0), 9_999, 10), 9_999, 10
    )
    assert (budget.others_until, budget.held_until) == (72, 70)
    assert rate_limit.apply_rate_limit(Budget(limit=200), meter(0), -9_999, 10).others_until == 10
    assert rate_limit.back_off(Budget(limit=200), -9_999, 10).held_until == 10


def test_after_too_much_all_but_exits_wait():
    """
    Until the time that the broker gives, or a short default; an earlier time shortens no later one.
    """
    budget = rate_limit.back_off(Budget(limit=200), None, 10)
    assert {lane: rate_limit.next_allowed_at(budget, lane, 10) for lane in Lane} == {
        **dict.fromkeys(Lane, 15),
        Lane.EXIT: 10,
    }
    assert rate_limit.back_off(budget, 12, 10) == budget


def test_another_timeline_is_converted_by_the_wall_clock():
    """
    Seconds, other requests and the refusal keep their times; on the same timeline nothing moves.
    """
    there = Budget(
        limit=9,
        timeline="a",
        offset=1000,
        sent=((5, 1), (7, 2)),
        others=3,
        others_until=30,
        held_until=9,
    )
    here = rate_limit.rebase(there, "b", 900, 110)
    assert here == Budget(
        limit=9,
        timeline="b",
        offset=900,
        sent=((105, 1), (107, 2)),
        others=3,
        others_until=130,
        held_until=109,
    )
    assert rate_limit.rebase(here, "b", 901, 111) == evolve(here, offset=901)


def test_what_is_counted_in_advance_is_converted_and_is_given_back_once():
    """A process that was there before the conversion gives nothing back: its block is over soon."""
    budget, block = rate_limit.lease(Budget(limit=200, timeline="a", offset=1000), Lane.SUBMIT, 5)
    assert block.count > 1
    there = rate_limit.rebase(budget, "b", 900, 106)
    assert there.leased == ((block.until + 100, block.count),)
    assert rate_limit.give_back(there, block, 106) == there
    back = rate_limit.give_back(budget, block, 6)
    assert (back.leased, back.sent) == ((), ((5, 1),))


def test_a_budget_ahead_of_its_own_timeline_holds_back_for_a_minute_at_most():
    """A damaged cell, which no clock explains."""
    ahead = Budget(limit=9, timeline="a", sent=((9_000, 9),), others=3, others_until=9_999)
    ahead = rate_limit.rebase(evolve(ahead, held_until=9_999), "a", 0, 110)
    assert (ahead.sent, ahead.others_until, ahead.held_until) == (((110, 9),), 172, 170)


def test_a_wall_clock_set_back_makes_nothing_lie_ahead():
    """Requests of another timeline count from now at the latest, and for at most a minute."""
    there = Budget(
        limit=9,
        timeline="a",
        offset=5000,
        sent=((5, 1), (7, 2)),
        others=3,
        others_until=30,
        held_until=9,
    )
    here = rate_limit.rebase(there, "b", 900, 110)
    assert here.sent == ((110, 3),)
    assert (here.others_until, here.held_until) == (172, 170)


def test_the_pace_counts_what_we_and_others_sent_in_the_last_minute():
    budget = Budget(limit=200, sent=((0, 3), (60, 2)), others=4, others_until=70)
    told = [rate_limit.pace(budget, now).sent for now in (60, 62, 70, 122)]
    assert told == [9, 6, 2, 0]


def test_a_rebased_budget_has_the_requests_that_still_count():
    """Those of one second are added up, also where a wrong clock put them into the future."""
    budget = Budget(limit=200, sent=((10, 1), (65, 2), (80, 3), (90, 4)), leased=((10, 5), (75, 6)))
    now = rate_limit.rebase(budget, budget.timeline, budget.offset, 80)
    assert (now.sent, now.leased) == (((65, 2), (80, 7)), ((75, 6),))
