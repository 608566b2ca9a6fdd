"""A process that is killed around a write: the next one loses nothing and doubles nothing."""

from contextlib import suppress

import pytest

from fillbook import errors
from fillbook import model as m
from tests.scenarios.campaign.mortal import Killed, Mortal
from tests.scenarios.coinbase.bench import bench

MOST = 40


def submit(here):
    here.desk.buy("BTC/USD", qty="0.1", key="one")


def change(here):
    order = here.desk.buy("BTC/USD", qty="0.1", limit_price="50000", key="one")
    here.clock.advance(1)
    here.desk.replace(order, limit_price="51000", qty="0.2")


def end(here):
    order = here.desk.buy("BTC/USD", qty="0.1", limit_price="50000", key="one")
    here.clock.advance(1)
    here.desk.cancel(order)


def protect(here):
    here.desk.buy("BTC/USD", qty="0.1", key="one")
    here.pass_(20)
    here.desk.protect("BTC/USD", stop_price="60000", take_profit="80000")
    here.pass_(30)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("keeps", [True, False], ids=["after the write", "before it is durable"])
@pytest.mark.parametrize("flow", [submit, change, end, protect], ids=lambda x: x.__name__)
def test_a_kill_at_a_write_loses_nothing(flow, keeps):
    """Each third write; the next process gives the same key, and the record is the exchange's."""
    for at in range(0, MOST, 3):
        with bench(Mortal()) as here:
            here.store.left, here.store.keeps = at, keeps
            with suppress(Killed):
                flow(here)
            survived = here.store.left is not None
            here.store.left = None
            here.desk._gateway.lease.release()
            here.desk = here.opened()
            with here.desk:
                here.pass_(30)
                with suppress(errors.OrderError):
                    here.desk.buy(
                        "BTC/USD",
                        qty="0.1",
                        key="one",
                        **({} if flow in (submit, protect) else {"limit_price": "50000"}),
                    )
                here.pass_(400, every=10)
                assert here.is_settled(), (flow.__name__, at)
                assert here.desk.book.position("BTC/USD").qty == here.wallet("BTC")
                ours = [x for x in here.truth.orders() if x.side is m.OrderSide.BUY]
                assert len(ours) == 1, (flow.__name__, at)
            if survived:
                return
