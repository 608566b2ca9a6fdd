"""The SQLite store passes the suite."""

from contextlib import closing

import pytest

from fillbook.stores.sqlite import SqliteStore
from fillbook.testing import StoreSuite


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path):
        with closing(SqliteStore(tmp_path / "bot.db")) as store:
            yield store

    @pytest.fixture
    def reopen(self, tmp_path):
        return lambda: SqliteStore(tmp_path / "bot.db")
