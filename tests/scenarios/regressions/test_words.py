"""Text of a broker: no credential and no control character of it is kept, and at most 4 kB."""

import json
import logging
import traceback
from contextlib import closing
from html import escape
from urllib.parse import quote

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.brokers.wire.http import BODY_MAX
from fillbook.clock import ManualClock
from tests.bench import MONDAY_10, Bench
from tests.brokers.alpaca.recorded import a_fill_event, an_order
from tests.brokers.canned import Answer
from tests.cli.line import told
from tests.scenarios.regressions.scenarios import Wire, bring_in_sync, outcome_of

KEY, SECRET = "KEY-CANARY-0123456789", "s3cr3t/c&nary+0123456789"
CANARIES = [KEY, *(x[:12] for x in (SECRET, SECRET.replace("/", "\\/"), escape(SECRET)))]
CANARIES.append(quote(SECRET, safe="")[:12])
KEPT_MAX = 4_096


class Quoting(Wire):
    """An Alpaca behind a proxy whose replies, once `quotes` is set, quote the request's headers."""

    quotes = None

    def _note(self, handler):
        super()._note(handler)
        if self.quotes is not None:
            self.answers[-1] = self.quotes(dict(handler.headers))


def message(status):
    """Alpaca's own error, with the headers in its message."""
    return lambda headers: Answer(status, {"code": 40310000, "message": f"denied: {headers}"})


def page(status, encoded=str):
    """A page of a proxy."""
    return lambda headers: Answer(status, f"<pre>{encoded(str(headers))}</pre>")


def slashes(headers):
    text = json.dumps({"code": 1, "message": str(headers)}).replace("/", "\\/")
    return Answer(422, text)


def a_row(headers):
    """An order whose fields quote the headers."""
    secret = headers["APCA-API-SECRET-KEY"]
    return Answer(200, an_order(status=secret, limit_price=secret, symbol=secret))


QUOTES = {
    **{f"message {x}": message(x) for x in (401, 403, 404, 422, 429, 500)},
    **{f"page {x}": page(x) for x in (200, 302, 403, 404, 502)},
    "page in html": page(502, escape),
    "page in url": page(502, quote),
    "escaped slashes": slashes,
    "row": a_row,
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("quotes", QUOTES.values(), ids=QUOTES)
def test_no_face_shows_a_credential_that_a_reply_quotes(quotes, tmp_path, caplog, capsys):
    """Messages, values, logs at DEBUG, tracebacks, the file, --json and doctor are searched."""
    caplog.set_level(logging.DEBUG)
    clock, file = ManualClock(MONDAY_10), tmp_path / "bot.db"
    shown = []
    with (
        Quoting(clock) as wire,
        closing(AlpacaBroker(KEY, SECRET, url=wire.url)) as broker,
        fb.open(broker, f"sqlite:///{file}", clock=clock, wait_s=1) as desk,
    ):
        bring_in_sync(desk)
        order = outcome_of(desk.buy, "AAPL", qty=1, limit_price="1")
        wire.quotes = quotes
        shown += [broker.account(), broker.positions(None), broker.find("x"), broker.order("x")]
        shown += [outcome_of(desk.sync), outcome_of(desk.check), outcome_of(desk.tick)]
        shown += [outcome_of(desk.buy, "AAPL", qty=2, limit_price="2")]
        shown += [outcome_of(desk.buying_power), outcome_of(desk.cancel, order)]
        shown += [*desk.events(), *desk.book.journal(), *desk.book.orders()]
        env = {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            where = ("--broker", f"alpaca:{wire.url}", "--store", f"sqlite:///{file}")
            for command in ("doctor", "sync", "check"):
                shown += [told(capsys, command, *where), told(capsys, command, *where, "--json")]
        pages = [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    for each in shown:
        if isinstance(each, Exception):
            pages += traceback.format_exception(each)
    texts = [*map(repr, shown), *map(str, shown), *pages, caplog.text]
    assert [(canary, x[:200]) for canary in CANARIES for x in texts if canary in x] == []


class Leaking(SimulatedBroker):
    """A stranger's adapter whose messages and exceptions quote its key."""

    fails = False

    def redact(self, text):
        return text.replace(SECRET, "***")

    def account(self):
        if self.fails:
            raise RuntimeError(f"header {SECRET}")
        return super().account()

    def submit(self, intent):
        return m.Rejected(m.RejectKind.OTHER, f"header {SECRET}")


def test_the_key_of_another_broker_is_hidden_in_its_messages_and_exceptions(caplog):
    """The desk applies `Broker.redact` to every reply, and to the traceback of a bug."""
    bench = Bench(broker=Leaking)
    refused = outcome_of(bench.desk.buy, "AAPL", qty=1, limit_price="1")
    bench.broker.fails = True
    report = bench.desk.sync()
    assert isinstance(refused, fb.OrderRejected)
    assert "header ***" in str(refused)
    assert "header ***" in caplog.text
    assert SECRET not in f"{refused} {report} {caplog.text} {bench.desk.book.journal()}"


# -- length and characters -------------------------------------------------------------


LONG = "Grund: \x1b[31m\x9b2J\u202eevil\r\n" + "é" * 10_000_000


REFUSALS = {
    "json": lambda _: Answer(403, {"code": 40310000, "message": LONG}),
    "page": lambda _: Answer(403, LONG),
    "endless": lambda _: Answer(403, "x" * (BODY_MAX + 1)),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_of_any_length_is_kept_to_4_kb(refusal, tmp_path, capsys):
    """A message of 20 MB is a small entry, and no control character of it is printed."""
    clock, file = ManualClock(MONDAY_10), tmp_path / "bot.db"
    with (
        Quoting(clock) as wire,
        closing(AlpacaBroker(KEY, SECRET, url=wire.url)) as broker,
        fb.open(broker, f"sqlite:///{file}", clock=clock, wait_s=1) as desk,
    ):
        bring_in_sync(desk)
        before = file.stat().st_size
        wire.quotes = refusal
        refused = outcome_of(desk.buy, "AAPL", qty=1, limit_price="1")
        texts = [str(refused), desk.sync().unobserved, *map(str, desk.book.journal())]
        where = ("--store", f"sqlite:///{file}")
        printed = [told(capsys, "audit", *where), told(capsys, "audit", *where, "--json")]
    assert max(map(len, texts)) < 2 * KEPT_MAX
    assert file.stat().st_size - before < 1_000_000
    assert not [x for text in texts for x in text if not x.isprintable()]
    assert not [x for _, *streams in printed for x in "".join(streams) if x in "\x1b\x9b\u202e"]


def test_a_foreign_id_with_control_characters_is_printed_without_them(tmp_path, capsys):
    """An id stays as it is in the record: a table drops the characters, JSON escapes them."""
    name, file = "\x1b]0;owned\x07\x9bid", tmp_path / "bot.db"
    clock = ManualClock(MONDAY_10)
    with (
        Quoting(clock) as wire,
        closing(AlpacaBroker(KEY, SECRET, url=wire.url)) as broker,
        fb.open(broker, f"sqlite:///{file}", clock=clock) as desk,
    ):
        bring_in_sync(desk)
        desk.receive(a_fill_event(order=an_order(client_order_id=name)))
    where = ("--store", f"sqlite:///{file}")
    (_, table, _), (_, text, _) = (told(capsys, "orders", *x) for x in (where, (*where, "--json")))
    assert not {x for x in table + text if not x.isprintable()} - {"\n"}
    assert [name] == [x["client_order_id"] for x in json.loads(text)]
