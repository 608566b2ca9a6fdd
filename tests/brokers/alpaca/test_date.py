"""Alpaca's clock is the Date of its replies; a missing Date is no error."""

from datetime import UTC, datetime

import pytest

from fillbook.brokers.alpaca.wire.outcome import Reply


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("Mon, 02 Mar 2026 15:00:07 GMT", datetime(2026, 3, 2, 15, 0, 7, tzinfo=UTC)),
        ("Mon, 02 Mar 2026 10:00:07 -0500", datetime(2026, 3, 2, 15, 0, 7, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_date_of_a_reply(said, at):
    """A date that cannot be parsed is none."""
    assert Reply(200, "{}", {"date": said}).at == at


def test_a_reply_without_a_date():
    """Some proxies remove it."""
    assert Reply(200, "{}", {}).at is None
