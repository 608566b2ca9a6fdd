"""`fillbook alert`: try the sinks of alerts."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import App, Parameter

from fillbook import alerts, config, errors
from fillbook import model as m
from fillbook.cli import output

alert: App = App(name="alert", help="Try the sinks of alerts.")
_TEST = m.Alert(m.AlertKind.UNDELIVERED, "test", "a test of fillbook alert; nothing is wrong")


@alert.command(name="test")
def try_sinks(
    addresses: Annotated[
        tuple[str, ...],
        Parameter(help="Where to: log, a URL, or an address of Apprise; else FILLBOOK_ALERT_URLS."),
    ] = (),
    /,
) -> int:
    """Send a test alert to each sink, and wait for it. Exits with 1 if one fails."""
    configured = config.setting("alert_urls", None, os.environ).value or ""
    wanted = addresses or tuple(configured.replace(",", " ").split())
    if not wanted:
        raise errors.InvalidValue("no sink is set: give an address, or set FILLBOOK_ALERT_URLS")
    failed = 0
    for sink in map(alerts.sink, wanted):
        name = str(getattr(sink, "name", "log"))
        try:
            getattr(sink, "post", sink)(_TEST)
            output.out.print(f"{name}: delivered")
        except Exception as error:  # any receiver may fail in any way; the others are tried
            failed += 1
            output.out.print(f"{name}: not delivered ({alerts.why_failed(error)})")
    return 1 if failed else 0
