// The page: reads the record, follows its events, and instructs what a person decides.

import { Problem, dropToken, follow, hasToken, instruct, keepToken, read } from "./service.js";
import * as views from "./views.js";

const STALE_MS = 35_000; // without a heartbeat, which comes every 15 s
const SOON_MS = 150; // events in a row are read once
const PNL_MS = 15_000; // P&L reads the whole record
const STATUS_MS = 5_000;
const PAGE = 50;

const $ = (id) => document.getElementById(id);
const fill = (id, children) => {
  const place = $(id);
  const focused = place.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  place.replaceChildren(...children);
  if (focused) [...place.querySelectorAll("button")].find((x) => keyOf(x) === focused)?.focus();
};
const keyOf = (x) => x.getAttribute("aria-label") || x.textContent;
const notice = (text) => ($("notice").textContent = text);

let access = { scopes: [], allow: [] };
let currency = ""; // of the account; "": not known
let shownOrders = PAGE;
let heardAt = Date.now();
let pnlAt = 0;

const may = (scope) =>
  access.scopes.includes(scope) &&
  access.allow.includes(scope) &&
  (scope === "cancel" || access.scopes.includes("account"));

// -- reading ---------------------------------------------------------------------------

async function showStatus() {
  const status = await read("status");
  currency = (status && status.currency) || "";
  fill("health", views.health(status));
  const account = status && status.account;
  $("account").textContent = account ? `${account.broker} ${account.number}` : "";
  $("halted").hidden = !(status && status.halted);
  $("halted").textContent = status && status.halted ? `Halted: ${status.halted}` : "";
  fill("alerts", status === null ? [views.hidden()] : views.alerts(status));
}

async function showOrders() {
  const page = await read(`orders?open=true&limit=${shownOrders}`);
  const more = () => {
    shownOrders = Math.min(shownOrders + PAGE, 1_000);
    refresh();
  };
  fill("orders", views.orders(page, { details, more, cancel: may("cancel") ? cancel : null }));
}

async function showPositions() {
  const [page, protections] = await Promise.all([read("positions"), read("protections")]);
  fill("positions", views.positions(page, protections, currency));
}

async function showPlans() {
  const page = await read("plans");
  const act = may("plans") ? { approve, reject } : {};
  fill("plans", page === null ? [views.hidden()] : views.plans(page, act));
}

async function showDrift() {
  const page = await read("drift");
  fill("drift", page === null ? [views.hidden()] : views.drift(page));
}

async function showPnl() {
  if (Date.now() - pnlAt < PNL_MS) return;
  pnlAt = Date.now();
  fill("pnl", views.pnl(await read("pnl?by=strategy"), currency));
}

async function show() {
  await showStatus(); // the others need its currency
  await Promise.all([showOrders(), showPositions(), showPlans(), showDrift()]);
  await showPnl();
}

let timer = null;
let running = false;
let again = false;

/** Read everything soon; what happens meanwhile is read once more. */
function refresh() {
  again = true;
  if (timer === null && !running) timer = setTimeout(run, SOON_MS);
}

async function run() {
  timer = null;
  running = true;
  again = false;
  try {
    await show();
  } catch (problem) {
    if (problem.status === 401) return signIn(problem);
    notice(`Not read: ${problem.message}.`);
  } finally {
    running = false;
  }
  if (again) refresh();
}

// -- instructing -----------------------------------------------------------------------

/** Ask before something is instructed; resolves to whether it is wanted. */
function confirmed(question, yes) {
  const dialog = $("confirm");
  $("confirm-text").textContent = question;
  $("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) =>
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }),
  );
}

async function instructed(what, call) {
  notice(`${what} …`);
  try {
    notice(`${what}: ${await call()}.`);
  } catch (problem) {
    if (problem.status === 401) return signIn(problem);
    notice(`${what} failed: ${problem.message}.`);
  }
  refresh();
}

async function cancel(order) {
  const name = `${order.terms.side} ${order.terms.qty || order.terms.notional} ${order.terms.symbol}`;
  if (!(await confirmed(`Cancel the order ${name} (${order.client_order_id})?`, "Cancel the order"))) return;
  await instructed(`Cancel of ${name}`, async () => {
    const after = await instruct("DELETE", `orders/${encodeURIComponent(order.client_order_id)}`);
    return after.is_final ? after.status : "pending; it is retried until the order is final";
  });
}

async function approve(plan) {
  if (!(await confirmed(`Approve plan ${plan.plan_id}: ${plan.why}?`, "Approve"))) return;
  await decide("Approval", plan, "approve");
}

async function reject(plan) {
  if (!(await confirmed(`Reject plan ${plan.plan_id}: ${plan.why}?`, "Reject"))) return;
  await decide("Rejection", plan, "reject", { why: "rejected on the page" });
}

const decide = (what, plan, action, body) =>
  instructed(`${what} of ${plan.plan_id}`, async () => {
    const given = await instruct("POST", `plans/${encodeURIComponent(plan.plan_id)}/${action}`, body);
    return given.closed || "written; the desk that ticks carries it out";
  });

async function details(order) {
  try {
    const found = await read(`orders/${encodeURIComponent(order.client_order_id)}`);
    $("details-title").textContent = `${found.order.terms.side} ${found.order.terms.symbol}`;
    fill("details-body", views.audit(found));
    $("details").showModal();
  } catch (problem) {
    notice(`Not read: ${problem.message}.`);
  }
}

// -- token and stream ------------------------------------------------------------------

function signIn(problem) {
  $("record").hidden = true;
  $("sign-in").hidden = false;
  $("token-problem").textContent = hasToken() ? problem.message : "";
  dropToken();
  $("token").focus();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  $("token").value = "";
  begin();
});

function checkStale() {
  const silent = Date.now() - heardAt;
  $("stale").hidden = silent < STALE_MS;
  if (silent >= STALE_MS) {
    const text = `Stale: nothing was received for ${Math.round(silent / 1_000)} s. What is shown may be wrong.`;
    if ($("stale").textContent !== text) $("stale").textContent = text;
  }
}

let following = false;

async function begin() {
  try {
    access = await read("access");
    if (access === null) throw new Problem(401, "the token lacks the scope read");
  } catch (problem) {
    if (problem.status === 401) return signIn(problem);
    notice(`Not read: ${problem.message}.`);
    setTimeout(begin, 2_000);
    return;
  }
  $("sign-in").hidden = true;
  $("record").hidden = false;
  refresh();
  if (following) return;
  following = true;
  follow({
    heard: () => (heardAt = Date.now()),
    event: refresh,
    lost: (problem) => {
      following = false;
      signIn(problem);
    },
  });
}

setInterval(checkStale, 1_000);
setInterval(() => $("record").hidden || refresh(), STATUS_MS);
begin();
