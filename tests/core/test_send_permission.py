"""The table of permissions: total, and neither setting widens the other."""

from itertools import product

from fillbook.core.send_permission import PERMISSIONS, Authority, Permission, RepairMode


def test_every_authority_has_a_result_under_every_setting():
    """The table is total."""
    assert set(PERMISSIONS) == set(product(Authority, (True, False), RepairMode))


def test_nothing_is_sent_while_trading_is_disabled():
    """With every setting of repairs."""
    sent = [key for key, answer in PERMISSIONS.items() if answer is Permission.SEND]
    assert all(armed for _, armed, _ in sent)


def test_a_repair_is_sent_only_with_auto():
    """And a call of the bot does not need it."""
    sent = {key for key, answer in PERMISSIONS.items() if answer is Permission.SEND}
    assert {repairs for why, _, repairs in sent if why is Authority.REPAIR} == {RepairMode.AUTO}
    assert {repairs for why, _, repairs in sent if why is Authority.ORDER} == set(RepairMode)
