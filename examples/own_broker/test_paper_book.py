"""The suite on your own broker: run it with `pytest examples/own_broker -rs`."""

import pytest
from paper_book import PaperBook

from fillbook.testing import BrokerSuite


class TestPaperBook(BrokerSuite):
    @pytest.fixture
    def broker(self):
        return PaperBook()
