"""The desk for asyncio: the same methods, and a canceled await loses nothing."""

import asyncio
import inspect
import threading

import pytest

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench


def members(face):
    """Every public name of a class, with the parameters of its methods."""
    return {
        name: list(inspect.signature(member).parameters.values()) if callable(member) else None
        for name, member in inspect.getmembers(face)
        if not name.startswith("_") and not isinstance(member, property)
    }


def test_both_faces_have_the_same_names_and_parameters():
    # The book is made with the desk, so that it is no member of its class.
    assert members(fb.Desk) == members(fb.AsyncDesk)
    assert inspect.signature(fb.open).parameters == inspect.signature(fb.open_async).parameters


def test_every_method_is_a_coroutine_function():
    for name, member in inspect.getmembers(fb.AsyncDesk, inspect.isfunction):
        if not name.startswith("_") and name != "sending":  # that one is for `async with`
            assert inspect.iscoroutinefunction(member), name


def test_an_order_is_sent_by_an_asyncio_bot_itself():
    async def trade():
        bench = Bench()
        async with desk_of(bench) as desk:
            wish = fb.OrderRequest(symbol="AAPL", side="buy", qty=3)
            async with desk.sending(wish) as order:
                bench.broker.submit(desk.book.record(order).intent)
            assert desk.book.order(order).status is fb.OrderStatus.FILLED
            with pytest.raises(OSError):
                async with desk.sending(wish, key="2") as order:
                    raise OSError
            assert desk.book.order(order).status is fb.OrderStatus.UNPROVEN

    asyncio.run(trade())


def desk_of(bench):
    return fb.open_async(bench.broker, bench.store, clock=bench.clock, wait_s=1)


def test_an_order_is_placed_and_read():
    async def trade():
        bench = Bench()
        async with desk_of(bench) as desk:
            told = []
            await desk.on("fill", told.append)
            order = await desk.buy("AAPL", qty=10)
            await asyncio.sleep(0)
            assert order.status is fb.OrderStatus.FILLED
            assert [event.order.qty for event in told] == [10]
            assert (await desk.buying_power()).available > 0
            assert desk.requests > 0
            assert desk.book.position("AAPL").qty == 10
            assert [each.kind for each in await desk.events()][-1] is not None

    asyncio.run(trade())


class Slow(SimulatedBroker):
    """A broker whose creates wait until the test releases them."""

    begun = threading.Event()
    go_on = threading.Event()

    def submit(self, intent):
        self.begun.set()
        assert self.go_on.wait(10)
        return super().submit(intent)


def test_an_await_that_is_canceled_leaves_its_order_to_its_end(tmp_path):
    store = f"sqlite:///{tmp_path / 'bot.db'}"

    async def trade():
        bench = Bench(broker=Slow)
        Slow.begun.clear()
        Slow.go_on.clear()
        async with fb.open_async(bench.broker, store, clock=bench.clock) as desk:
            task = asyncio.create_task(desk.buy("AAPL", qty=10))
            await asyncio.to_thread(Slow.begun.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            Slow.go_on.set()

    asyncio.run(trade())
    with fb.read(store) as book:
        assert [order.status for order in book.orders()] == [fb.OrderStatus.FILLED]


def test_the_error_of_a_canceled_call_is_logged(caplog):
    async def trade():
        bench = Bench(broker=Slow)
        Slow.begun.clear()
        Slow.go_on.clear()
        async with desk_of(bench) as desk:
            bench.fail("submit", "unreachable")
            task = asyncio.create_task(desk.buy("AAPL", qty=10))
            await asyncio.to_thread(Slow.begun.wait, 10)
            task.cancel()
            Slow.go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0)

    asyncio.run(trade())
    assert "whose await was canceled" in caplog.text


def test_a_wrong_callback_is_refused_as_the_desk_refuses_it():
    async def trade():
        async with desk_of(Bench()) as desk:
            with pytest.raises(fb.InvalidValue):
                await desk.on("fill", "no function")

    asyncio.run(trade())
