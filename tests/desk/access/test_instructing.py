"""What another process instructs is carried out by the desk that ticks: once, and never lost."""

import pytest
from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.desk.access.inbox import RESUME_WITHIN
from fillbook.desk.access.instructing import Instructing
from fillbook.desk.access.tokens import Tokens
from fillbook.desk.record.recorder import Recorder
from fillbook.model.account.instruction import AccountAction, AccountInstructed, AccountInstruction
from tests.bench import Bench
from tests.scenarios.matrix.process import Fuse, Killed, Processes

ALL = ["read", "cancel", "plans", "halt", "account"]


class Outside:
    """A process without a broker, with a token of every scope."""

    def __init__(self, store, clock, scopes=ALL, strategies=()):
        self.recorder = Recorder(store, clock)
        self.tokens = Tokens(self.recorder)
        self.token, _ = self.tokens.create(scopes, strategies)
        self.instructing = Instructing(self.recorder)

    @property
    def by(self):
        return self.token.token_id


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def outside(bench):
    return Outside(bench.store, bench.clock)


def test_a_cancel_is_shown_at_once_and_sent_by_the_next_tick(bench, outside):
    order = bench.resting()
    bench.pass_(10)
    shown = outside.instructing.cancel(order.client_order_id, outside.by)
    assert (shown.pending, shown.is_final) == ("cancel", False)
    assert bench.sent["cancel"] == 0
    bench.clock.advance(1)
    bench.desk.tick()
    bench.pass_(30)
    assert bench.desk.book.order(order).status is m.OrderStatus.CANCELED
    assert bench.sent["cancel"] == 1
    (instruction,) = bench.desk.book.record(order).instructions
    assert instruction.by == outside.by


def test_a_cancel_that_the_bot_gave_already_is_attributed_and_sent_once(bench, outside):
    order = bench.resting()
    outside.instructing.cancel(order.client_order_id, outside.by)
    before = len(bench.desk.book.journal())
    outside.instructing.cancel(order.client_order_id, outside.by)
    assert len(bench.desk.book.journal()) == before
    bench.pass_(30)
    assert bench.sent["cancel"] == 1


def test_a_final_order_is_returned_as_it_is(bench, outside):
    order = bench.desk.buy("AAPL", qty=1)
    before = len(bench.desk.book.journal())
    assert outside.instructing.cancel(order.client_order_id, outside.by).is_final
    assert len(bench.desk.book.journal()) == before


def test_a_desk_killed_at_every_boundary_cancels_once(bench):
    """The next desk carries on: one cancel is effective, and its end is told."""
    killed = 0
    for at in range(60):
        bench = Bench()
        processes = Processes(bench.exchange, bench.books, bench.store, bench.clock)
        outside = Outside(bench.store, bench.clock)
        order = bench.resting()
        bench.desk._gateway.lease.release()
        fuse = Fuse(at)
        desk = processes.start(fuse)
        desk.tick()
        fuse.armed = True
        outside.instructing.cancel(order.client_order_id, outside.by)
        try:
            for _ in range(6):
                bench.clock.advance(5)
                desk.tick()
        except Killed:
            killed += 1
        bench.desk = processes.start()
        bench.pass_(240)
        assert bench.desk.book.order(order).status is m.OrderStatus.CANCELED
        assert [x.status for x in bench.ours()] == [m.OrderStatus.CANCELED]
        assert processes.script.used.count(("cancel", "accepted")) == 1
        if not fuse.dead:
            break
    assert killed >= 4, "too few boundaries to mean anything"


def test_the_other_strategy_s_order_is_as_unknown_as_a_missing_one(bench):
    outside = Outside(bench.store, bench.clock, ["read", "cancel"], ["trend"])
    order = bench.resting()  # of the strategy "s"
    with pytest.raises(errors.UnknownOrder) as hidden:
        outside.instructing.cancel(order.client_order_id, outside.by)
    with pytest.raises(errors.UnknownOrder) as missing:
        outside.instructing.cancel("nowhere", outside.by)
    assert str(hidden.value).replace(order.client_order_id, "nowhere") == str(missing.value)


@pytest.mark.parametrize("call", ["cancel", "sync", "approve", "reject", "halt", "resume"])
def test_without_its_scope_or_once_revoked_nothing_is_written(bench, call):
    order = bench.resting()
    arguments = {
        "cancel": (order.client_order_id,),
        "sync": (order.client_order_id,),
        "reject": ("p1", "no"),
        "approve": ("p1",),
        "halt": ("stop",),
    }.get(call, ())
    reader = Outside(bench.store, bench.clock, ["read", "account"])
    revoked = Outside(bench.store, bench.clock)
    revoked.tokens.revoke(revoked.by)
    before = len(bench.desk.book.journal())
    for outside in (reader, revoked):
        with pytest.raises(errors.NotPermitted):
            getattr(outside.instructing, call)(*arguments, outside.by)
    assert len(bench.desk.book.journal()) == before
    assert bench.desk.status().halted is None


def test_a_halt_acts_at_once_and_a_resume_ends_it(bench, outside):
    given = outside.instructing.halt("a person stops it", outside.by)
    assert given.done
    with pytest.raises(errors.Denied, match="a person stops it"):
        bench.desk.buy("AAPL", qty=1)
    assert outside.instructing.resume(outside.by).done
    assert bench.desk.buy("AAPL", qty=1).is_final


def test_a_halt_that_was_only_written_is_carried_out_by_the_desk(bench, outside):
    outside.recorder.record(AccountInstructed(AccountAction.HALT, outside.by, why="stop"))
    bench.pass_(5)
    assert bench.desk.status().halted == "stop"
    assert [x.closed for x in instructions(bench)] == ["the kill switch is set"]


def test_a_resume_clears_neither_another_halt_nor_one_long_after(bench, outside):
    bench.desk.halt("the bot")
    outside.recorder.record(AccountInstructed(AccountAction.RESUME, outside.by, why="a person"))
    bench.pass_(5)
    assert bench.desk.status().halted == "the bot"
    outside.recorder.record(AccountInstructed(AccountAction.RESUME, outside.by, why="the bot"))
    bench.clock.advance(RESUME_WITHIN.total_seconds() + 1)
    bench.desk.tick()
    assert bench.desk.status().halted == "the bot"
    assert [x.done for x in instructions(bench)] == [False, False]


def test_one_order_is_reconciled_on_request(bench, outside):
    order = bench.resting()
    bench.filled(order)
    given = outside.instructing.sync(order.client_order_id, outside.by)
    bench.clock.advance(1)
    bench.desk.tick()
    assert bench.desk.book.order(order).status is m.OrderStatus.FILLED
    assert outside.instructing.instruction(given.number).done


def test_what_a_token_instructed_is_void_once_it_is_revoked(bench, outside):
    order = bench.resting()
    given = outside.instructing.sync(order.client_order_id, outside.by)
    outside.tokens.revoke(outside.by)
    bench.pass_(5)
    ended = outside.instructing.instruction(given.number)
    assert (ended.done, ended.closed) == (False, "the token is expired or revoked")


def test_a_plan_is_approved_or_rejected_by_the_desk(bench, outside):
    plans = [planned(bench, symbol) for symbol in ("AAPL", "MSFT")]
    outside.instructing.approve(plans[0], outside.by)
    outside.instructing.reject(plans[1], "not today", outside.by)
    bench.pass_(30)
    states = [bench.desk.plan(x).state for x in plans]
    assert states[1] is m.PlanState.REJECTED
    assert states[0] in (m.PlanState.RUNNING, m.PlanState.DONE)
    assert all(x.done for x in instructions(bench))
    with pytest.raises(errors.PlanEnded):
        outside.instructing.approve(plans[1], outside.by)
    with pytest.raises(errors.UnknownPlan):
        outside.instructing.approve("nowhere", outside.by)


def test_a_bug_ends_the_instruction_and_not_the_tick(bench, outside, monkeypatch, caplog):
    order = bench.resting()
    given = outside.instructing.sync(order.client_order_id, outside.by)
    order_sync = bench.desk._reconciler._orders
    monkeypatch.setattr(order_sync, "sync", lambda order: 1 / 0)
    bench.clock.advance(1)
    bench.desk.tick()
    ended = outside.instructing.instruction(given.number)
    assert (ended.done, ended.closed) == (False, "a bug; see the log of the desk")
    assert "could not be carried out" in caplog.text


def planned(bench, symbol):
    """A plan that waits for an approval: exits for what was held before its policy."""
    bench.desk.buy(symbol, qty=10, strategy="s")
    plan = bench.desk.protect(symbol, strategy="s", stop_loss="3%", dry_run=True)
    bench.desk._recorder.record(m.PlanMade(evolve(plan, state=m.PlanState.PROPOSED)))
    return plan.plan_id


def instructions(bench):
    with bench.store.read() as reader:
        return list(reader.all(AccountInstruction))
