"""The stream of events: in order, after the last one received, bounded, closed with its token."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from fillbook import codec
from fillbook.desk.access.tokens import authenticate
from fillbook.web import stream
from fillbook.web.access import security_headers
from fillbook.web.stream import EventStream, Outbox
from tests.web.client import Served, traded


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """The outbox is read without a pause, and heartbeats are frequent."""
    monkeypatch.setattr(stream, "EVERY_S", 0.0)
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.02)


class Connection:
    """One listener, as a server runs it."""

    def __init__(self, outbox, token=None, last=None):
        self.texts = b""
        self.gone = asyncio.Event()
        self.blocked = None
        self.application = EventStream(outbox, token, last, security_headers())

    async def run(self):
        await self.application({"type": "http"}, self.receive, self.send)

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if self.blocked is not None:
            await self.blocked.wait()
        self.texts += message.get("body", b"")

    @property
    def events(self):
        return [
            json.loads(x.split(b"data: ")[1])
            for x in self.texts.split(b"\n\n")
            if x.startswith(b"id: ")
        ]


@asynccontextmanager
async def connected(outbox, *connections):
    tasks = [asyncio.create_task(x.run()) for x in connections]
    await until(lambda: all(x.texts or x.blocked for x in connections))
    try:
        yield tasks
    finally:
        for x in connections:
            x.gone.set()
            if x.blocked is not None:
                x.blocked.set()
        await asyncio.gather(*tasks)
        await until(lambda: outbox.listeners == 0)


async def until(holds):
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.002)


def token_of(served, *scopes, strategies=()):
    text = served.token(*scopes, strategies=strategies)
    with served.bench.store.read() as reader:
        return authenticate(reader, text, served.tokens._recorder.now())


def written(events):
    return [json.loads(codec.to_json(x)) for x in events]


def test_new_events_are_sent_to_each_listener_that_sees_them():
    served = Served()
    outbox = Outbox(served.bench.store, served.bench.clock)
    before = served.bench.desk.events()
    team = token_of(served, "read", strategies=["trend"])

    async def main():
        everyone, mine = Connection(outbox), Connection(outbox, team)
        async with connected(outbox, everyone, mine):
            served.bench.desk.buy("AAPL", qty=1, strategy="trend")
            served.bench.desk.buy("MSFT", qty=1, strategy="value")
            served.bench.desk.halt("enough")
            new = served.bench.desk.events(before[-1].cursor if before else "")
            await until(lambda: len(everyone.events) == len(new))
            assert everyone.events == written(new)
            trend = [
                x
                for x in new
                if (x.order and x.order.strategy == "trend")
                or (x.fill and x.fill.strategy == "trend")
            ]
            assert mine.events == written(trend)

    asyncio.run(main())


def test_a_listener_goes_on_after_its_last_event():
    served = traded()
    outbox = Outbox(served.bench.store, served.bench.clock)
    events = served.bench.desk.events()

    async def main():
        later = Connection(outbox, last=events[2].cursor)
        async with connected(outbox, later):
            await until(lambda: len(later.events) == len(events) - 3)
            served.bench.desk.halt("now")
            await until(lambda: len(later.events) == len(events) - 2)
            assert later.events == written(served.bench.desk.events(events[2].cursor))

    asyncio.run(main())


@pytest.mark.parametrize("last", ["nowhere", "999999999999.0000"])
def test_a_last_event_that_is_not_known_is_a_reset(last):
    served = traded()
    outbox = Outbox(served.bench.store, served.bench.clock)

    async def main():
        lost = Connection(outbox, last=last)
        async with connected(outbox, lost):
            await until(lambda: b"event: reset" in lost.texts)
            assert lost.events == []

    asyncio.run(main())


def test_too_far_behind_is_a_reset(monkeypatch):
    monkeypatch.setattr(stream, "BEHIND_MAX", 3)
    served = traded()
    outbox = Outbox(served.bench.store, served.bench.clock)
    assert outbox.missed(stream.Listener(None), "", "9") == [stream.RESET]


def test_heartbeats_are_sent_while_nothing_happens():
    served = Served()
    outbox = Outbox(served.bench.store, served.bench.clock)

    async def main():
        idle = Connection(outbox)
        async with connected(outbox, idle):
            await until(lambda: idle.texts.count(stream.HEARTBEAT) >= 3)

    asyncio.run(main())


def test_a_listener_that_does_not_read_is_closed_and_delays_no_other(monkeypatch):
    monkeypatch.setattr(stream, "QUEUE_MAX", 5)
    served = Served()
    outbox = Outbox(served.bench.store, served.bench.clock)

    async def main():
        slow, quick = Connection(outbox), Connection(outbox)
        async with connected(outbox, slow, quick) as tasks:
            slow.blocked = asyncio.Event()
            for number in range(12):
                served.bench.desk.halt(f"number {number}")
                await until(lambda n=number: len(quick.events) == n + 1)
            await until(lambda: tasks[0].done())
            assert outbox.listeners == 1
            assert not tasks[1].done()

    asyncio.run(main())


def test_a_listener_whose_token_is_revoked_is_closed():
    served = Served()
    outbox = Outbox(served.bench.store, served.bench.clock)
    token = token_of(served, "read", "account")

    async def main():
        listener = Connection(outbox, token)
        async with connected(outbox, listener) as tasks:
            served.tokens.revoke(token.token_id)
            await until(lambda: tasks[0].done())

    asyncio.run(main())


def test_five_hundred_listeners_receive_every_event_in_order():
    served = Served()
    outbox = Outbox(served.bench.store, served.bench.clock)

    async def main():
        many = [Connection(outbox) for _ in range(500)]
        async with connected(outbox, *many):
            for number in range(10):
                served.bench.desk.halt(f"number {number}")
            await until(lambda: all(len(x.events) == 10 for x in many))
            assert (
                len(
                    {x.texts[x.texts.index(b"id: ") :].replace(stream.HEARTBEAT, b"") for x in many}
                )
                == 1
            )

    asyncio.run(main())


def test_there_is_a_limit_of_listeners(monkeypatch):
    monkeypatch.setattr(stream, "LISTENERS_MAX", 0)
    served = Served(allow=(), anonymous=True)
    answer = served.get("events/stream")
    assert (answer.status, answer.json["code"]) == (429, "too_many_requests")


def test_a_last_event_id_that_is_no_id_is_a_problem():
    served = Served(allow=(), anonymous=True)
    answer = served.ask("GET", "events/stream", headers={"Last-Event-ID": "x" * 201})
    assert answer.status == 400
