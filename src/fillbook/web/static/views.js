// What is shown of each value.  Text is set as text, never as markup.

/** Make an element: its attributes (`on` an action), and its children. */
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((x) => x !== null && x !== undefined && x !== ""));
  return made;
}

export const time = (at) => (at ? `${at.slice(0, 10)} ${at.slice(11, 19)}` : "–");
const shown = (value) => (value === null || value === undefined || value === "" ? "–" : value);

/** Write a number with at most two decimals for money; the exact text is its title. */
function money(value) {
  if (value === null || value === undefined) return make("span", {}, "–");
  const [whole, part = ""] = value.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const text = `${value.startsWith("-") ? "−" : ""}${grouped}.${part.padEnd(2, "0").slice(0, 2)}`;
  return make("span", { title: value, class: value.startsWith("-") ? "bad" : "" }, text);
}

/** A table in a region that scrolls; columns are [title, cell, class]. */
function table(label, columns, rows, empty) {
  if (!rows.length) return make("p", { class: "soft" }, empty);
  const head = columns.map(([title, , kind]) => make("th", { scope: "col", class: kind }, title));
  const body = rows.map((row) =>
    make("tr", {}, ...columns.map(([, cell, kind]) => make("td", { class: kind }, cell(row)))),
  );
  const inner = make(
    "table",
    { "aria-label": label },
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...body),
  );
  const about = `${label}, scrollable`;
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": about }, inner);
}

export const hidden = () => make("p", { class: "soft" }, "Not shown to this token.");

export function health(status) {
  if (status === null) return [make("span", { class: "badge" }, "open")];
  const words = { reconciled: "Reconciled", drift: "Drift", not_observed: "Not observed" };
  const age = status.snapshot_age_s;
  const stream = status.stream ? status.stream.state : "unknown";
  const budget = status.budget ? `${status.budget.sent} of ${status.budget.limit}` : "none";
  const ticks = status.lease && status.lease.is_current;
  return [
    make("span", { class: `badge ${status.health}` }, words[status.health]),
    make("span", {}, `last complete snapshot ${age === undefined ? "never" : `${Math.round(age)} s ago`}`),
    make("span", {}, `stream ${stream}`),
    make("span", {}, `requests in the last minute: ${budget}`),
    make("span", { class: ticks ? "" : "bad" }, ticks ? "a desk ticks" : "no desk ticks"),
    make(
      "span",
      { class: status.unconfirmed.length ? "warn" : "" },
      `unconfirmed: ${status.unconfirmed.length}`,
    ),
  ];
}

const price = (order) => {
  const terms = order.terms;
  const parts = [];
  if (terms.limit_price) parts.push(`limit ${terms.limit_price}`);
  if (terms.stop_price) parts.push(`stop ${terms.stop_price}`);
  return parts.join(", ") || terms.type;
};

export function orders(page, { details, cancel, more }) {
  const name = (x) => `${x.terms.side} ${x.terms.symbol}`;
  const columns = [
    [
      "Order",
      (x) => make("button", { class: "link", type: "button", on: () => details(x) }, name(x)),
    ],
    ["Filled", (x) => `${x.filled_qty} of ${shown(x.terms.qty || x.terms.notional)}`, "number"],
    ["Price", price],
    [
      "Status",
      (x) => make("span", { class: x.pending ? "warn" : "" }, x.status, x.pending ? `, ${x.pending} pending` : ""),
    ],
    ["In force", (x) => x.terms.time_in_force, "wide"],
    ["Strategy", (x) => shown(x.strategy), "wide"],
    ["Created (UTC)", (x) => time(x.created_at), "wide"],
  ];
  if (cancel) {
    const button = (x) =>
      make(
        "button",
        {
          type: "button",
          class: "danger",
          disabled: x.pending === "cancel",
          "aria-label": `Cancel ${name(x)} ${x.client_order_id}`,
          "data-cancel": x.client_order_id,
          on: () => cancel(x),
        },
        "Cancel",
      );
    columns.splice(1, 0, ["Action", button]);
  }
  const made = [table("Open orders", columns, page.items, "No open order.")];
  if (page.next) made.push(make("p", {}, make("button", { type: "button", on: more }, "Show more")));
  return made;
}

/** The title of a column of amounts, with the currency of the account if it is known. */
const inCurrency = (title, currency) => (currency ? `${title}, ${currency}` : title);

/** An amount that names its currency if it is not that of the account. */
const amount = (value, currency) =>
  currency && value != null ? make("span", {}, money(value), ` ${currency}`) : money(value);

export function positions(page, protections, currency) {
  const cover = protections && new Map(protections.items.map((x) => [`${x.symbol}/${x.strategy}`, x]));
  const columns = [
    ["Symbol", (x) => x.symbol],
    ["Strategy", (x) => (x.strategy == null ? "all" : x.strategy || "none")],
    ["Quantity", (x) => x.qty, "number"],
    ["Cover", (x) => coverOf(x, cover), "text"],
    [inCurrency("Average price", currency), (x) => amount(x.avg_price, x.currency), "number wide"],
    [inCurrency("Realized", currency), (x) => amount(x.realized, x.currency), "number wide"],
    [inCurrency("Fees", currency), (x) => amount(x.fees, x.currency), "number wide"],
  ];
  return [table("Positions", columns, page.items, "No position.")];
}

const COVERED = ["covered", "expiring", "pending"];

function coverOf(row, cover) {
  if (row.strategy == null) return "";
  if (cover === null) return make("span", { class: "soft" }, "not shown");
  const found = row.protected_as.map((x) => cover.get(`${x}/${row.strategy}`)).filter((x) => x);
  if (!found.length) return make("span", { class: "soft" }, Number(row.qty) ? "no exits set" : "");
  return make("span", {}, ...found.flatMap((x, i) => (i ? [", ", coverWords(x)] : [coverWords(x)])));
}

function coverWords(found) {
  const good = COVERED.includes(found.cover);
  const words = found.cover.replaceAll("_", " ");
  const since = good ? "" : ` since ${time(found.since)}`;
  return make("span", { class: good ? "good" : "bad", title: found.why }, good ? `protected (${words})` : `${words}${since}`);
}

export function drift(page) {
  const columns = [
    ["About", (x) => x.about],
    ["Difference", (x) => x.what, "text"],
    ["Notional", (x) => money(x.notional), "number"],
    ["Since (UTC)", (x) => time(x.since)],
  ];
  return [table("Drift", columns, page.items, "No difference is confirmed.")];
}

export function plans(page, { approve, reject }) {
  const early = (plan) => plan.state === "approved" && plan.begins_at;
  const waiting = page.items.filter((plan) => plan.state === "proposed" || early(plan));
  if (!waiting.length) return [make("p", { class: "soft" }, "No plan waits.")];
  return waiting.map((plan) => {
    const changes = plan.impact.positions.map((x) =>
      make("li", {}, `${x.symbol}${x.strategy ? ` (${x.strategy})` : ""}: ${x.before} → ${x.after}`),
    );
    const { orders, cancels, replaces } = plan.impact;
    const effect = `${orders} orders, ${cancels} cancels, ${replaces} changes`;
    const act = (text, kind, call) =>
      make(
        "button",
        { type: "button", class: kind, "aria-label": `${text} plan ${plan.plan_id}`, on: call },
        text,
      );
    return make(
      "article",
      { class: "plan", "aria-label": `Plan ${plan.plan_id}` },
      make("p", {}, make("strong", {}, `${plan.kind} `), plan.why || plan.plan_id),
      changes.length ? make("ul", {}, ...changes) : null,
      make("p", { class: "soft" }, `${effect}; valid until ${time(plan.valid_until)} UTC`),
      early(plan)
        ? make("p", {}, `Approved: begins at the open, ${time(plan.begins_at)} UTC`)
        : null,
      approve && !early(plan)
        ? make(
            "p",
            {},
            act("Approve", "", () => approve(plan)),
            act("Reject", "danger", () => reject(plan)),
          )
        : null,
    );
  });
}

export function pnl(report, currency) {
  const most = Math.max(...report.rows.map((x) => Math.abs(Number(x.realized || 0))), 1e-9);
  const columns = [
    ["Strategy", (x) => x.key || "none"],
    [inCurrency("Realized", currency), (x) => amount(x.realized, x.currency), "number"],
    ["Share", (x) => bar(Number(x.realized || 0) / most), "wide"],
    [inCurrency("Fees", currency), (x) => amount(x.fees, x.currency), "number"],
  ];
  return [table("P&L by strategy", columns, report.rows, "No trade yet.")];
}

function bar(share) {
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const width = Math.abs(share) * 50;
  const made = svg("svg", { width: 100, height: 12, viewBox: "0 0 100 12", "aria-hidden": "true" });
  made.append(
    svg("rect", { class: share < 0 ? "minus" : "plus", x: share < 0 ? 50 - width : 50, y: 2, width, height: 8 }),
    svg("line", { x1: 50, x2: 50, y1: 0, y2: 12 }),
  );
  return made;
}

export function alerts(status) {
  const found = [...status.alerts].reverse();
  const kind = (x) => (x.alert.resolved ? "good" : "bad");
  const columns = [
    ["Time (UTC)", (x) => time(x.at), "wide"],
    ["Kind", (x) => make("span", { class: kind(x) }, x.alert.kind.replaceAll("_", " "))],
    ["Message", (x) => x.alert.message, "text"],
  ];
  return [table("Alerts", columns, found, "No alert.")];
}

/** The audit of one order: what was instructed, requested and filled, in order of time. */
export function audit({ order, fills, requests, instructions }) {
  const rows = [
    ...instructions.map((x) => [x.at, `instruction ${x.asked._type.toLowerCase()}${x.by ? ` by token ${x.by}` : ""}`]),
    ...requests.map((x) => [x.at, `request ${x.command}: ${x.answer || "no reply"} ${x.message}`]),
    ...fills.map((x) => [x.at, `fill ${x.qty} at ${shown(x.price)}`]),
  ].sort(([a], [b]) => (a < b ? -1 : 1));
  const facts = [
    ["Client order id", order.client_order_id],
    ["Broker order id", shown(order.broker_order_id)],
    ["Status", order.status + (order.pending ? `, ${order.pending} pending` : "")],
    ["Filled", `${order.filled_qty} of ${shown(order.terms.qty || order.terms.notional)}`],
    ["Average price", shown(order.avg_price)],
    ["Reason", shown(order.reason)],
  ];
  return [
    make("ul", {}, ...facts.map(([name, value]) => make("li", {}, `${name}: ${value}`))),
    make("ol", { class: "audit" }, ...rows.map(([at, text]) => make("li", {}, `${time(at)}  ${text}`))),
  ];
}
