"""Strategies on the command line: one that is new or misspelt, and no strategy."""

from pathlib import Path

import fillbook as fb
from tests.cli.line import told


def test_a_strategy_that_may_be_misspelt_is_noticed_where_it_trades(emulator, order, capsys):
    """A denied order does not make it known."""
    at = ("--store", "sqlite:///bot.db")
    Path("targets.csv").write_text("symbol,weight\nAAPL,0.5\n")
    Path("trades.csv").write_text("symbol,side,qty,at\n")
    said = "strategy mean-rve is new; the record has mean-rev\n"
    for words, expected in (
        (("rebalance", "targets.csv"), 0),
        (("catch-up", "trades.csv", "--since", "2026-03-02"), 0),
        (("buy", "AAPL", "1", "--dry-run"), 0),
        (("buy", "AAPL", "10000000"), 1),
        (("buy", "MSFT", "1"), 0),
    ):
        code, _, err = told(capsys, *words, "--strategy", "mean-rve", *at)
        assert (code, err[: len(said)]) == (expected, said), words
    for words in (("close", "AAPL"), ("protect", "TSLA", "--stop-loss", "8%")):
        code, _, err = told(capsys, *words, "--dry-run", "--strategy", "tlit", *at)
        assert code in (1, 2)
        assert err.endswith("; strategy tlit is new; the record has mean-rev, mean-rve\n")
        assert err.count("\n") == 1
    words = ("protect", "TSLA", "--stop-loss", "8%", "--pending", "--dry-run")
    code, _, err = told(capsys, *words, "--strategy", "tlit", *at)
    assert (code, err) == (0, "strategy tlit is new; the record has mean-rev, mean-rve\n")
    code, _, err = told(capsys, "buy", "SPY", "1", "--strategy", "mean-rve", *at)
    assert (code, err) == (0, "")
    assert told(capsys, "orders", "--strategy", "no", *at)[1].endswith("mean-rev, mean-rve\n")


def test_no_strategy_is_named_as_it_is_typed(emulator, order, capsys):
    """Units without a strategy beside those of one."""
    at = ("--store", "sqlite:///bot.db")
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.buy("AAPL", qty=1)
    err = told(capsys, "protect", "AAPL", "--stop-loss", "8%", "--dry-run", *at)[2]
    assert err.endswith('name one of mean-rev, or "" for no strategy (--strategy "")\n')
    err = told(capsys, "close", "AAPL", "--dry-run", *at)[2]
    assert 'no strategy is "", on the command line --strategy ""' in err
    words = ("close", "AAPL", "--dry-run", "--strategy", "")
    code, _, err = told(capsys, *words, *at)
    assert (code, err) == (0, "")


def test_a_difference_names_the_next_command(emulator, order, capsys):
    at = ("--store", "sqlite:///bot.db")
    emulator.exchange.transfer(emulator.account, "MSFT", "5", "400")
    emulator.exchange.clock.advance(60)
    code, out, _ = told(capsys, "check", *at)
    assert (code, out.splitlines()[-1][:23]) == (3, "Next: `fillbook sync` m")
    code, out, _ = told(capsys, "check", "--ours", "AAPL=11", "--store", "sqlite:///no.db")
    assert (code, "Next: " in out) == (3, False)
