"""
The generated parts of the pages: `python docs/printed.py` renews them from the code.

A part is between ``<!-- printed: name -->`` and ``<!-- end -->``; a test compares each part
with the code.
"""

from __future__ import annotations

import ast
import enum
import inspect
import io
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from attrs import fields
from cyclopts import App
from rich.console import Console

import fillbook as fb
from fillbook import config, errors
from fillbook import model as m
from fillbook.brokers.alpaca.client import CAPABILITIES as ALPACA
from fillbook.brokers.alpaca.wire import outcome
from fillbook.brokers.coinbase.client import CAPABILITIES as COINBASE_CAN
from fillbook.brokers.coinbase.wire import outcome as coinbase_outcome
from fillbook.brokers.simulated.client import CAPABILITIES as SIMULATED
from fillbook.cli import demo, output
from fillbook.cli.commands import make_app
from fillbook.core.checks import risk
from fillbook.core.orders.lifecycle import COMMANDS, LIVE
from fillbook.core.rate_limit import LANE_LIMITS_PERCENT, Lane
from fillbook.core.send_permission import PERMISSIONS, Authority
from fillbook.model.account.pnl import PnlCause
from fillbook.testing import BrokerSuite
from fillbook.venue import coinbase
from fillbook.venue.alpaca import Behavior
from fillbook.venue.alpaca.endpoints import ENDPOINTS
from fillbook.venue.coinbase.answers import PREFIX
from fillbook.venue.coinbase.endpoints import ENDPOINTS as COINBASE
from fillbook.venue.exchange import kinds
from fillbook.venue.exchange.faults.kinds import INJECTION_POINTS, SECONDS, Fault

ROOT = Path(__file__).parent.parent
REFERENCE = runpy.run_path(str(ROOT / "docs" / "reference" / "generate.py"))
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
#: References in docstrings that only help readers of the code.
_REFERENCE = re.compile(r" \((?:promise|other half|design|P\d)[^)]*\)")
_PART = re.compile(r"(<!-- printed: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    """Return a page with every generated part renewed."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n{part[3]}", text)


# -- from the sources ------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in cells
    )


def notes_of(kind: type) -> dict[str, str]:
    """Return the docstring of each member or field of a class, as a part of a sentence."""
    return {name: _phrase(text) for name, text in REFERENCE["attribute_docs"](kind).items()}


def _phrase(text: str) -> str:
    """Return a sentence without its capital and its full stop."""
    is_word = text[1:2].islower() or text[1:2] == " "
    text = text[:1].lower() + text[1:] if is_word else text
    return text if ". " in text else text.removesuffix(".")


def described(thing: object) -> str:
    """Return a docstring as Markdown."""
    return re.sub(r"``([^`]+)``", r"`\1`", inspect.getdoc(thing) or "")


def sentence(thing: object) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join(described(thing).split("\n\n")[0].split())


def code(word: object) -> str:
    return f"`{word}`"


def listed(words: Iterable[object]) -> str:
    return ", ".join(code(word) for word in sorted(map(str, words))) or "none"


# -- parts -----------------------------------------------------------------------------

#: The parts of the demo that the README omits: from the first line that begins so to the next one.
_OMITTED = (("What happens", "Tuesday"), ("Orders before", "sync merges"), ("Orders", "A second"))


def demo_shortened() -> str:
    """Return the output of `fillbook demo` without some of its tables."""
    lines = printed_demo().splitlines()
    for first, then in _OMITTED:
        start = next(i for i, line in enumerate(lines) if line.split("  ")[0].strip() == first)
        end = next(i for i in range(start, len(lines)) if lines[i].startswith(then))
        lines[start:end] = ["[…]", ""]
    end = next(i for i, line in enumerate(lines) if line == "Next")
    kept = "\n".join(lines[:end]).strip()
    return f"```text\n{kept}\n```"


def printed_demo() -> str:
    """Return the output of `fillbook demo` without a terminal, 80 columns wide."""
    text, usual = io.StringIO(), output.out
    output.out = Console(file=text, highlight=False, width=80)
    try:
        with redirect_stdout(text):
            demo.demo(seed=7, broker="simulated", json=False)
    finally:
        output.out = usual
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def statuses() -> str:
    notes = notes_of(m.OrderStatus)
    rows = []
    for status in m.OrderStatus:
        note = notes.get(status.name, "")
        source = "fillbook" if note.startswith("ours: ") else "broker"
        live = "yes" if status in LIVE or status is m.OrderStatus.UNPROVEN else "no"
        cancelable = "yes" if (status, m.Command.CANCEL) in COMMANDS else "no"
        rows.append((code(status), source, live, cancelable, note.removeprefix("ours: ")))
    head = ("status", "set by", "may still fill", "may be canceled", "meaning")
    return table(head, rows)


def failures() -> str:
    def rows(kind: type[fb.FillbookError], depth: int) -> Iterable[Sequence[object]]:
        again = "yes" if kind.retry else "no"
        yield "– " * depth + code(kind.__name__), again, sentence(kind)
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield from rows(child, depth + 1)

    return table(("error", "the same call may be retried", "when"), rows(fb.FillbookError, 0))


def faults() -> str:
    notes = notes_of(Fault)
    rows = []
    for fault in Fault:
        least, most = SECONDS.get(fault, (0.0, 0.0))
        length = f"{least:g} to {most:g} s" if least or most else "–"
        points = listed(INJECTION_POINTS[fault])
        rows.append((code(fault), notes.get(fault.name, ""), points, length))
    return table(("fault", "effect", "injection points", "duration"), rows)


def endpoints(served: Sequence[Any] = ENDPOINTS, prefix: str = "") -> str:
    rows = []
    for method, path, at, _ in served:
        points = at if isinstance(at, tuple) else filter(None, (at,))
        rows.append((code(method), code(prefix + path), ", ".join(map(code, points))))
    return table(("method", "path", "injection point of its faults"), rows)


def behavior(kind: type = Behavior) -> str:
    notes = notes_of(kind)
    rows = [(code(x.name), code(_default(x)), notes[x.name]) for x in fields(kind)]
    return table(("switch", "default", "meaning"), rows)


def _default(one: Any) -> object:
    return one.default.factory() if hasattr(one.default, "factory") else one.default


def order_kinds() -> str:
    head, *rows = kinds.table()
    return table(head, rows)


def refusals(of: Any = outcome) -> str:
    head, *rows = of.table()
    return table(head, ((status, words, code(kind)) for status, words, kind in rows))


def checks() -> str:
    rows = (
        (
            number,
            code(check.__name__),
            _REFERENCE.sub("", sentence(check)),
            listed(reasons_of(check)),
        )
        for number, check in enumerate(fb.CHECKS, start=1)
    )
    return table(("", "check", "condition", "reasons"), rows)


def reasons_of(check: Callable[..., object]) -> set[str]:
    """Return the reason codes of a function, and of the functions of its module that it calls."""
    source = inspect.getsource(check)
    found = {m.ReasonCode[name].value for name in re.findall(r"ReasonCode\.(\w+)", source)}
    for name in set(re.findall(r"\b(\w+)\(", source)) - {check.__name__}:
        called = getattr(inspect.getmodule(check), name, None) or getattr(risk, name, None)
        if inspect.isfunction(called) and called.__module__.startswith("fillbook.core."):
            found |= reasons_of(called)
    return found


def modules() -> str:
    """Return a table of the modules, each with its first sentence."""
    rows, package = [], ROOT / "src" / "fillbook"
    found = sorted(package.glob("*.py"))
    for ring in ("core", "desk", "stores", "cli"):
        folder = package / ring
        found += sorted(folder.rglob("*.py"), key=lambda x: (x.parent != folder, x))
    for path in found:
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        first = " ".join(docstring.split("\n\n")[0].split())
        if not path.stem.startswith("__"):
            name = path.relative_to(package).as_posix()
            rows.append((code(name), _REFERENCE.sub("", first)))
    return table(("module", "purpose"), rows)


def reasons() -> str:
    notes = notes_of(m.ReasonCode)
    return table(("code", "meaning"), ((code(x), notes[x.name]) for x in m.ReasonCode))


def left_alone() -> str:
    notes = notes_of(m.LeftAloneReason)
    rows = ((code(x), notes[x.name]) for x in m.LeftAloneReason)
    return table(("reason", "meaning"), rows)


def trade_outcomes() -> str:
    notes = notes_of(m.TradeOutcome)
    rows = ((code(x), notes[x.name]) for x in m.TradeOutcome)
    return table(("outcome", "meaning"), rows)


def pnl_causes() -> str:
    notes = notes_of(PnlCause)
    rows = ((code(x), notes[x.name]) for x in PnlCause if x.name in notes)
    return table(("cause", "meaning"), rows)


def permissions() -> str:
    notes = notes_of(Authority)
    rows = []
    for authority in Authority:
        row = [f"{code(authority)}: {notes[authority.name]}"]
        for enabled in (True, False):
            row += [str(PERMISSIONS[authority, enabled, repairs]) for repairs in m.RepairMode]
        rows.append(row)
    head = ["authority"]
    head += [f"trading {on}, {code(x)}" for on in ("enabled", "disabled") for x in m.RepairMode]
    return table(head, rows)


def lanes() -> str:
    notes = notes_of(Lane)
    limits = LANE_LIMITS_PERCENT.items()
    rows = ((code(lane), notes[lane.name], f"{percent} %") for lane, percent in limits)
    return table(("lane", "for", "may use a minute up to"), rows)


def drifts() -> str:
    kinds = (
        *(m.MissedFill, m.OrderStatusDiffers, m.OrderTermsDiffer, m.UnknownToUs),
        m.UnknownToBroker,
        *(m.ExternalTrade, m.HappenedWithoutTrade),
        *(m.Phantom, m.Untracked, m.WrongQty, m.WrongCash),
    )
    return table(("kind", "meaning"), ((code(x.__name__), sentence(x)) for x in kinds))


def repairs() -> str:
    notes = notes_of(m.RepairKind)
    rows = []
    for kind, allowed in m.REPAIRS.items():
        limits = [repair for repair in allowed if (kind, repair) in m.GUARDED]
        note = notes[kind.name]
        rows.append((code(kind), note, code(allowed[0]), listed(allowed[1:]), listed(limits)))
    head = ("kind", "difference", "default", "may also be", "automatic only with limits")
    return table(head, rows)


def cover_states() -> str:
    return states_of(m.CoverState)


def plan_states() -> str:
    return states_of(m.PlanState)


def states_of(kind: type[enum.Enum]) -> str:
    notes = notes_of(kind)
    rows = ((code(x.value), notes[x.name]) for x in kind)
    return table(("state", "meaning"), rows)


def alerts() -> str:
    return listed(m.AlertKind)


def settings() -> str:
    rows = [
        (
            code(name),
            code(f"FILLBOOK_{name.upper()}"),
            code(f"--{name}") if name in ("broker", "store") else "–",
            code(default or "not set"),
        )
        for name, default in config.DEFAULTS.items()
    ]
    head = ("in fillbook.toml", "in the environment", "on the command line", "default")
    return table(head, rows)


def commands() -> str:
    return "\n\n".join(_commands(make_app()))


def _commands(group: App, before: str = "") -> Iterator[str]:
    """Yield each command of a group, and those of the groups in it."""
    for name in sorted(x for x in group if not x.startswith("-")):
        if group[name].default_command is None:
            yield from _commands(group[name], f"{before}{name} ")
        else:
            yield _command(group[name], f"{before}{name}")


def _command(made: App, name: str) -> str:
    rows = []
    for one in made.assemble_argument_collection():
        if "*" in one.names:  # a group of options, which follow it
            continue
        default = one.field_info.default
        shown = (
            ""
            if one.required or default in (None, False, (), "", inspect.Parameter.empty)
            else code(default)
        )
        names = name_of_argument(one)
        rows.append((names, " ".join((one.parameter.help or "").split()), shown))
    text = described(made.default_command)
    return f"### `fillbook {name}`\n\n{text}\n\n" + table(("option", "meaning", "default"), rows)


def name_of_argument(one: Any) -> str:
    is_positional = one.field_info.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    word = one.names[0]
    return code(word.removeprefix("--").upper() if is_positional else word)


def capabilities() -> str:
    def shown(value: object) -> str:
        if isinstance(value, frozenset):
            return listed(value)
        return "yes" if value else "no"

    brokers = (ALPACA, COINBASE_CAN, SIMULATED)
    rows = [
        (code(x.name), *(shown(getattr(can, x.name)) for can in brokers))
        for x in fields(m.Capabilities)
        if isinstance(getattr(ALPACA, x.name), bool | frozenset)
    ]
    return table(("capability", "`alpaca:`", "`coinbase:`", "`sim:`"), rows)


def broker() -> str:
    return _members(fb.Broker)


def _members(kind: type) -> str:
    parts = []
    ours = (x for x in kind.__mro__ if x.__module__.startswith("fillbook"))
    members = {name: member for base in ours for name, member in vars(base).items()}
    for name, member in members.items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            parts.append(f"**`{name}`**\n\n{described(member)}")
        elif inspect.isfunction(member):
            parts.append(_callable(name, member))
    return "\n\n".join(parts)


def _callable(name: str, function: Callable[..., Any]) -> str:
    words = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", re.sub(r"\bm\.", "", words))
    return f"**`{name}{plain}`**\n\n{described(function)}"


def failure_kinds() -> str:
    return states_of(m.Failure)


def reject_kinds() -> str:
    notes = notes_of(m.RejectKind)
    rows = ((code(x.value), notes.get(x.name, ""), "yes" if x.retry else "") for x in m.RejectKind)
    return table(("kind", "meaning", "temporary"), rows)


def suite_attributes() -> str:
    """Return the attributes of the broker suite, from the comments at or above their lines."""
    cases = next(kind for kind in BrokerSuite.__mro__ if "symbol" in vars(kind))
    above = re.findall(r"^    #: (.+)\n    (\w+):", inspect.getsource(cases), re.MULTILINE)
    notes = notes_of(cases) | {name: note for note, name in above}
    rows = ((code(x), code(getattr(cases, x)), notes[x]) for x in notes)
    return table(("attribute", "default", "meaning"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "alerts": alerts,
    "behavior": behavior,
    "broker": broker,
    "capabilities": capabilities,
    "checks": checks,
    "coinbase-behavior": lambda: behavior(coinbase.Behavior),
    "coinbase-endpoints": lambda: endpoints(COINBASE, PREFIX),
    "coinbase-refusals": lambda: refusals(coinbase_outcome),
    "coinbase-frames": lambda: states_of(coinbase.Frame),
    "coinbase-once": lambda: states_of(coinbase.Once),
    "commands": commands,
    "cover-states": cover_states,
    "demo": demo_shortened,
    "drifts": drifts,
    "endpoints": endpoints,
    "errors": failures,
    "failure-kinds": failure_kinds,
    "faults": faults,
    "lanes": lanes,
    "modules": modules,
    "left-alone": left_alone,
    "order-kinds": order_kinds,
    "permissions": permissions,
    "plan-states": plan_states,
    "pnl-causes": pnl_causes,
    "reasons": reasons,
    "refusals": refusals,
    "reject-kinds": reject_kinds,
    "repairs": repairs,
    "settings": settings,
    "statuses": statuses,
    "suite-attributes": suite_attributes,
    "trade-outcomes": trade_outcomes,
    **runpy.run_path(str(ROOT / "docs" / "howto" / "scenarios.py"))["PARTS"],
}


def main() -> None:
    """Renew the generated parts of every page."""
    for page in PAGES:
        was = page.read_text("utf-8")
        now = renewed(was)
        if now != was:
            page.write_text(now, "utf-8")
            print(f"renewed {page.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
