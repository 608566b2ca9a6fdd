"""
The conformance suite of a broker, as numbered cases: subclass `BrokerSuite` in your tests.

::

    class TestMyBroker(BrokerSuite):
        @pytest.fixture
        def broker(self):
            return MyBroker.from_address("paper", os.environ)

Override `venue` too if something can control the venue behind your broker (an emulator, a
test bench of the broker): with it all cases run; without it only the cases that read, place
and cancel run, and the others are skipped with that reason.  A case of a capability that
your broker does not declare is skipped too, so the skips must match the capabilities.
Override `restarted` with a second broker on the same account, as after a restart of a bot,
and `clock` with the clock of the venue if its time is simulated.

A number never changes: B001 reads, B020 orders, B050 fills, B070 lost requests, B090
brackets and OCO, B100 stream, B120 replaces, B140 order types, B150 more reads, B160 a desk
over the broker.
"""

from __future__ import annotations

import pytest

# Without this pytest would not show the values of a failed assert in the cases.
pytest.register_assert_rewrite("fillbook.testing.broker_cases")

from fillbook.testing.broker_cases.ambiguity import AmbiguityCases  # noqa: E402
from fillbook.testing.broker_cases.desk import DeskCases  # noqa: E402
from fillbook.testing.broker_cases.fills import FillCases  # noqa: E402
from fillbook.testing.broker_cases.groups import GroupCases  # noqa: E402
from fillbook.testing.broker_cases.kinds import OrderTypeCases  # noqa: E402
from fillbook.testing.broker_cases.orders import OrderCases  # noqa: E402
from fillbook.testing.broker_cases.reads import ReadCases  # noqa: E402
from fillbook.testing.broker_cases.replaces import ReplaceCases  # noqa: E402
from fillbook.testing.broker_cases.stream import StreamCases  # noqa: E402


# pytest collects the cases of the last class first: those of one method before those of a desk.
class BrokerSuite(
    DeskCases,
    OrderTypeCases,
    ReplaceCases,
    StreamCases,
    GroupCases,
    AmbiguityCases,
    FillCases,
    OrderCases,
    ReadCases,
):
    """All cases of a broker: override `broker`, and `venue` if there is one."""
