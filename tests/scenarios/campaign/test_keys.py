"""
One key, one order: a bot that crashes and submits again after any loss (promise P2).

Some bots are killed between two of their writes, others lose requests or replies and stop waiting;
each starts again on its record and submits under the same key until it gets its order. Five bots
per seed, ten thousand in `nox -s campaign`; a failed one is named with its seed and replays exactly
with ``FILLBOOK_SEEDS=1 FILLBOOK_FIRST_SEED=<seed>``.
"""

import logging
import os
import random
from contextlib import suppress

import pytest

import fillbook as fb
from tests.bench import Bench
from tests.scenarios.campaign.mortal import Killed, Mortal
from tests.scenarios.campaign.test_days import CHUNK, FIRST, chunks

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "6"))
BOTS = 5
#: A create whose outcome is unknown, or that is rejected temporarily.
LOST = ("request-lost", "reply-lost", "server-error", "html", "late-landing", "rate-limited")
WISH = fb.OrderRequest(symbol="AAPL", side="buy", qty=3, strategy="s", good_for_s=3600)


@pytest.fixture(autouse=True)
def _silence_log(caplog):
    """Silence the log: the lost requests are logged correctly, in thousands of lines."""
    caplog.set_level(logging.CRITICAL + 1)


def restless(dice):
    """The bench of a bot that starts and is killed until it has its order."""
    bench = Bench(store=Mortal(), wait_s=1)
    for _ in range(dice.randint(1, 4)):
        bench.store.left = dice.choice((None, 0, 1, 2, 3, 4))
        bench.store.keeps = dice.random() < 0.5
        bench.fail("submit", dice.choice(LOST), times=dice.randint(1, 2))
        with suppress(Killed, fb.FillbookError):
            bench.desk.submit(WISH, key="the decision")
        bench.clock.advance(dice.choice((0.5, 3, 40)))
        with suppress(Killed):
            bench.desk.tick()
        bench.store.left = None
        bench.desk = bench.open()  # the queries of that process are lost
    bench.over()
    for _ in range(60):
        with suppress(fb.FillbookError):
            if bench.desk.submit(WISH, key="the decision").is_final:
                break
        bench.pass_(20, every=10)
    bench.pass_(600, every=20)  # nothing is accepted after that
    return bench


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(FIRST, SEEDS, CHUNK), ids=lambda x: f"{x[0]}-{x[-1]}")
def test_a_key_is_one_order_however_often_its_bot_is_killed(seeds):
    for named in (f"{seed}/{bot}" for seed in seeds for bot in range(BOTS)):
        bench = restless(random.Random(named))
        [there] = bench.ours()
        [order] = bench.desk.book.orders()
        assert (order.broker_order_id, order.status) == (there.id, fb.OrderStatus.FILLED), named
        assert bench.truth.positions() == {"AAPL": 3}, named
        assert bench.desk.book.reservations() == [], named
