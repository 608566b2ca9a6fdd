"""
What a broker must do, as numbered cases: subclass `BrokerSuite` in your own tests.

::

    class TestMyBroker(BrokerSuite):
        @pytest.fixture
        def broker(self):
            return MyBroker.from_address("paper", os.environ)

Override `venue` too if something can move the world behind your broker (an emulator, the
broker's own test bench): with it all cases run, without it only those that read, place and
cancel, and each of the others is skipped with that reason.  Cases about what your broker
does not declare are skipped as well, so the skips must match the capabilities.
Override `restarted` with a second broker on the account, as a bot that starts again has it,
and `clock` with the venue's time where that is made up.

Numbers are kept for ever: B001 reads, B020 orders, B050 fills, B070 lost requests, B090
groups, B100 stream, B120 replaces, B140 kinds of orders, B150 reads again,
B160 what a desk makes of it.
"""

from __future__ import annotations

import pytest

# Cases assert; without this pytest would not say what was unequal.
pytest.register_assert_rewrite("fillbook.testing.broker_cases")

from fillbook.testing.broker_cases.ambiguity import AmbiguityCases  # noqa: E402
from fillbook.testing.broker_cases.desk import DeskCases  # noqa: E402
from fillbook.testing.broker_cases.fills import FillCases  # noqa: E402
from fillbook.testing.broker_cases.groups import GroupCases  # noqa: E402
from fillbook.testing.broker_cases.kinds import KindCases  # noqa: E402
from fillbook.testing.broker_cases.orders import OrderCases  # noqa: E402
from fillbook.testing.broker_cases.reads import ReadCases  # noqa: E402
from fillbook.testing.broker_cases.replaces import ReplaceCases  # noqa: E402
from fillbook.testing.broker_cases.stream import StreamCases  # noqa: E402


class BrokerSuite(
    ReadCases,
    OrderCases,
    FillCases,
    AmbiguityCases,
    GroupCases,
    StreamCases,
    ReplaceCases,
    KindCases,
    DeskCases,
):
    """All cases; override `broker`, and `venue` if you have one."""
