"""Accounts of the emulator, and the settings of their owners, through alpaca-py."""

from __future__ import annotations

from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.venue.alpaca.conformance.bot import resting


def test_one_server_serves_several_accounts(emulator: Emulator, exchange: Exchange) -> None:
    exchange.open_account("second", cash=5)
    other = TradingClient("second", emulator.secret_of("second"), url_override=emulator.url)
    assert other.get_account().cash == "5"
    other._session.close()


def test_configurations_are_read_changed_and_kept_to(
    typed: TradingClient, clock: ManualClock
) -> None:
    found = typed.get_account_configurations()
    assert (found.suspend_trade, found.max_margin_multiplier) == (False, "4")
    found.suspend_trade, found.max_margin_multiplier = True, "1"
    changed = typed.set_account_configurations(found)
    assert (changed.suspend_trade, changed.max_margin_multiplier) == (True, "1")
    account = typed.get_account()
    assert (account.trade_suspended_by_user, account.multiplier) == (True, "1")
    with pytest.raises(APIError, match="rejected by user request"):
        resting(typed, clock)


@pytest.mark.parametrize(
    "change",
    [{"suspend_trade": "yes"}, {"max_margin_multiplier": 4}, {"max_options_trading_level": True}],
)
def test_a_configuration_that_cannot_be_is_refused(http: Any, change: dict[str, Any]) -> None:
    answer = http("PATCH", "/v2/account/configurations", change)
    assert (answer.status_code, answer.json()["message"]) == (422, f"invalid {next(iter(change))}")
