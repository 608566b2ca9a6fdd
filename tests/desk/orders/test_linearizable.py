"""The checker itself: it must be able to find an error."""

from decimal import Decimal

import pytest

from tests.desk.orders.linearizable import Call, is_linearizable


def calls(*rows):
    return [Call(began, ended, Decimal(amount), granted) for began, ended, amount, granted in rows]


@pytest.mark.parametrize(
    ("rows", "lawful"),
    [
        ([(0, 1, 60, True), (2, 3, 60, False)], True),
        ([(0, 1, 60, True), (2, 3, 60, True)], False),  # the same dollar twice
        ([(0, 1, 60, False)], False),  # refused, though there was enough
        ([(0, 3, 60, True), (1, 2, 60, False)], True),  # at the same time: either comes first
        ([(0, 1, 60, False), (2, 3, 60, True)], False),  # the refused one was over before
        ([(0, 1, 60, True), (2, 3, -60, True), (4, 5, 90, True)], True),
        ([(0, 1, 60, True), (2, 5, -60, True), (3, 4, 90, True)], True),
        ([(0, 1, 60, True), (2, 3, 90, True), (4, 5, -60, True)], False),
    ],
)
def test_only_what_could_have_happened_in_turn_is_lawful(rows, lawful):
    assert is_linearizable(calls(*rows), 100) is lawful
