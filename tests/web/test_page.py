"""The page in a real browser: what it shows, how fast, and what the keyboard alone can do."""

import importlib
import json
import os
import re
import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.web import stream
from fillbook.web.server import Address, Background, listening
from tests.desk.access.test_instructing import planned
from tests.web.client import Served, traded

#: "required": without a browser the tests fail; they are skipped otherwise.
REQUIRED = os.environ.get("FILLBOOK_TEST_BROWSER") == "required"
CHROMIUM = os.environ.get("FILLBOOK_TEST_CHROMIUM") or shutil.which("chromium")
if CHROMIUM is None and not REQUIRED:
    pytest.skip("chromium is not installed", allow_module_level=True)
if not REQUIRED:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
playwright = importlib.import_module("playwright.sync_api")
#: Where screenshots are kept, to be looked at; None: nowhere.
SHOTS = os.environ.get("FILLBOOK_TEST_SHOTS")
#: The file of axe-core (npm), which checks accessibility.
AXE = os.environ.get("FILLBOOK_TEST_AXE", "")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Page:
    """A page of the service in a tab, with what went wrong in it."""

    def __init__(self, browser, served, token=None, **options):
        self.served = served
        self.problems = []
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(15_000)
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.tab.on("console", lambda x: x.type == "error" and self.problems.append(x.text))
        self.requested = []
        self.tab.on("request", lambda request: self.requested.append(request.url))
        self.token = token

    def open(self, url):
        if self.token is not None:
            script = f"sessionStorage.setItem('fillbook-token', {json.dumps(self.token)})"
            self.tab.add_init_script(script)
        self.tab.goto(url)

    def close(self):
        self.context.close()


@pytest.fixture
def opened(browser, monkeypatch):
    """Open the page of a service; a thread ticks its desk."""
    monkeypatch.setattr(stream, "EVERY_S", 0.05)
    ended = []

    def make(served, token=None, prepare=None, **options):
        server = Background(served.app, Address(port=served.port)).__enter__()
        ended.append(lambda: server.__exit__())
        page = Page(browser, served, token, **options)
        ended.append(page.close)
        if prepare is not None:
            prepare(page.tab)
        page.url = server.url
        page.open(server.url)
        return page

    yield make
    for close in reversed(ended):
        close()


def free_port():
    """A port that was free a moment ago; Host and Origin have to name it."""
    with closing(listening("127.0.0.1", 0)) as opened:
        return opened.getsockname()[1]


def reading(**kw):
    port = free_port()
    served = traded(allow=(), anonymous=True, port=port, **kw)
    served.port = port
    return served


def instructing():
    port = free_port()
    served = Served(port=port)
    served.port = port
    return served, served.token("read", "cancel", "plans", "halt", "account")


class Ticking:
    """The desk ticks while the context lasts."""

    def __init__(self, served):
        self.bench = served.bench
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.wait(0.05):
            self.bench.clock.advance(1)
            self.bench.desk.tick()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def shot(page, name):
    if SHOTS:
        page.tab.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def violations(page):
    page.tab.evaluate(Path(AXE).read_text("utf-8"))
    found = page.tab.evaluate("async () => (await axe.run()).violations")
    return [(x["id"], [n["target"] for n in x["nodes"]]) for x in found]


def test_it_shows_the_record(opened):
    page = opened(reading())
    tab = page.tab
    tab.get_by_text("Reconciled").wait_for()
    orders = tab.get_by_role("table", name="Open orders")
    playwright.expect(orders.get_by_role("row")).to_have_count(1 + 4)
    positions = tab.get_by_role("table", name="Positions")
    text = positions.inner_text()
    assert "protected (covered)" in text
    assert "no exits set" in text
    assert "SPY" not in text
    pnl = tab.get_by_role("table", name="P&L by strategy")
    assert {"trend", "value"} <= set(re.findall(r"\w+", pnl.inner_text()))
    assert tab.get_by_role("button", name=re.compile("^Cancel")).count() == 0
    assert page.problems == []
    assert {x for x in page.requested if not x.startswith((page.url, "data:"))} == set()
    shot(page, "desktop-light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_accessible_on_a_phone_and_a_desktop_in_dark_and_light(opened, scheme, width):
    served, token = instructing()
    desk = served.bench.desk
    planned(served.bench, "AAPL")
    desk.buy("MSFT", qty=1, limit_price="150", strategy="trend")
    desk.halt("a person looks at it")
    served.bench.pass_(20)
    page = opened(served, token, color_scheme=scheme, viewport={"width": width, "height": 844})
    page.tab.get_by_role("button", name=re.compile("^Approve plan")).wait_for()
    page.tab.get_by_role("table", name="P&L by strategy").wait_for()
    shot(page, f"{width}-{scheme}")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.tab.evaluate(overflow) <= 0
    if Path(AXE).is_file():
        assert violations(page) == []
    assert page.problems == []


def test_a_fill_is_shown_as_it_happens(opened):
    served = reading()
    page = opened(served)
    table = page.tab.get_by_role("table", name="Open orders")
    table.wait_for()
    served.bench.filled(served.mine)
    served.bench.desk.sync(order=served.mine)
    playwright.expect(table.get_by_role("row")).to_have_count(4)
    row = page.tab.get_by_role("table", name="Positions").get_by_role(
        "row", name=re.compile("MSFT")
    )
    row.first.wait_for()
    assert page.problems == []


def test_the_keyboard_alone_approves_a_plan_and_cancels_an_order(opened):
    served, token = instructing()
    plan = planned(served.bench, "AAPL")
    order = served.bench.desk.buy("MSFT", qty=1, limit_price="150", strategy="trend")
    served.bench.pass_(10)
    page = opened(served, token)
    page.tab.get_by_role("button", name=f"Approve plan {plan}").wait_for()
    page.tab.get_by_role("button", name=re.compile(order.client_order_id)).wait_for()
    with Ticking(served):
        press_until(page.tab, f"Approve plan {plan}")
        page.tab.get_by_role("dialog").wait_for()
        press_until(page.tab, "Approve")
        page.tab.get_by_text(re.compile("^Approval of .*: (plan|written)")).wait_for()
        page.tab.get_by_text("No plan waits.").wait_for()
        press_until(page.tab, f"Cancel buy MSFT {order.client_order_id}")
        page.tab.get_by_role("dialog").wait_for()
        press_until(page.tab, "Cancel the order")
        page.tab.get_by_text(re.compile("Cancel of buy 1 MSFT: (canceled|pending)")).wait_for()
        page.tab.get_by_role("button", name=re.compile(order.client_order_id)).wait_for(
            state="detached"
        )
    assert served.bench.desk.book.order(order).status is m.OrderStatus.CANCELED
    assert served.bench.desk.plan(plan).state in (m.PlanState.RUNNING, m.PlanState.DONE)
    assert page.problems == []


NAME = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"


def press_until(tab, name):
    """Press Tab until the button of that name has the focus, then Enter."""
    for _ in range(60):
        if tab.evaluate(NAME) == name:
            tab.keyboard.press("Enter")
            return
        tab.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name!r}")


def test_a_cancel_that_is_not_confirmed_is_none(opened):
    served, token = instructing()
    order = served.bench.desk.buy("MSFT", qty=1, limit_price="150", strategy="trend")
    page = opened(served, token)
    page.tab.get_by_role("button", name=re.compile(order.client_order_id)).click()
    page.tab.keyboard.press("Escape")
    page.tab.get_by_role("button", name=re.compile(order.client_order_id)).click()
    page.tab.get_by_role("button", name="Keep it").click()
    page.tab.get_by_role("dialog").wait_for(state="hidden")
    assert served.bench.desk.book.record(order).instructions == ()


def test_one_order_is_shown_in_detail_on_click(opened):
    served = reading()
    page = opened(served)
    page.tab.get_by_role("button", name="buy MSFT").first.click()
    dialog = page.tab.get_by_role("dialog")
    dialog.wait_for()
    assert "request send: accepted" in dialog.inner_text()
    assert "Client order id: fb-" in dialog.inner_text()
    page.tab.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert page.problems == []


def test_it_says_that_it_is_stale_without_a_heartbeat(opened):
    served = reading()
    page = opened(served, prepare=lambda tab: tab.clock.install())
    page.tab.clock.resume()
    page.tab.get_by_text("Reconciled").wait_for()
    assert page.tab.locator("#stale").is_hidden()
    page.context.set_offline(True)
    page.tab.clock.fast_forward(36_000)
    page.tab.get_by_text(re.compile("^Stale: nothing was received for 3")).wait_for()


def test_a_token_is_asked_for_and_kept_in_the_tab_only(opened):
    served, token = instructing()
    page = opened(served)
    field = page.tab.get_by_label("Access token")
    field.fill("fbk_0123456789ab_" + "x" * 43)
    page.tab.keyboard.press("Enter")
    page.tab.get_by_text(re.compile("a valid token is needed")).wait_for()
    field.fill(token)
    page.tab.keyboard.press("Enter")
    page.tab.get_by_text("Reconciled").wait_for()
    assert token not in page.tab.url
    assert page.tab.evaluate("localStorage.length + document.cookie.length") == 0
    assert not any(token in url for url in page.requested)


def test_a_team_sees_its_own_part(opened):
    served = reading()
    page = opened(served, served.token("read", strategies=["value"]))
    page.tab.get_by_role("table", name="Positions").wait_for()
    hidden = page.tab.get_by_text("Not shown to this token.")
    playwright.expect(hidden).to_have_count(3)  # each section is read by itself
    page.tab.get_by_role("table", name="P&L by strategy").wait_for()
    assert "trend" not in page.tab.locator("#record").inner_text()
    failed = [x for x in page.problems if "403" not in x]
    assert failed == []


def test_text_of_a_broker_is_never_markup(opened):
    served = reading()
    attack = "<img src=x onerror=document.title='attacked'>"
    alert = m.Alert(m.AlertKind.STUCK, "x", attack)
    served.bench.desk._recorder.record(m.Alerted(alert))
    page = opened(served)
    page.tab.get_by_text(attack).wait_for()
    assert page.tab.title() == "fillbook"
    assert page.tab.locator("#alerts img").count() == 0


def test_of_ten_thousand_orders_the_first_page_is_read_and_shown(opened):
    """What the first paint waits for does not grow with the orders."""
    served = reading()
    with served.bench.store.read() as reader:
        known = reader.get(m.OrderRecord, served.mine.client_order_id)
    copies = tuple(
        evolve(
            known,
            client_order_id=f"fb-copy-{number:06d}",
            order=evolve(known.order, client_order_id=f"fb-copy-{number:06d}"),
        )
        for number in range(10_000)
    )
    with served.bench.store.write() as writer:
        writer.record(m.DriftCleared("x"), known.created_at, m.Changes(put=copies))
    page = opened(served)
    page.tab.get_by_role("table", name="Open orders").wait_for()
    playwright.expect(page.tab.locator("#orders tbody tr")).to_have_count(50)
    page.tab.get_by_role("button", name="Show more").click()
    playwright.expect(page.tab.locator("#orders tbody tr")).to_have_count(100)
