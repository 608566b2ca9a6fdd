"""A SQLite store that counts its work: no test measures time."""

from attrs import frozen

from fillbook.stores.sqlite import SqliteStore


@frozen
class Work:
    """What a call made SQLite do."""

    statements: int
    rows: int  #: that were read
    steps: int  #: hundreds of instructions of SQLite's virtual machine: a scan shows here
    writes: int  #: write transactions


class Counting(SqliteStore):
    """A store that counts what it does."""

    def __init__(self, path):
        self.statements = self.rows = self.steps = self.writes = 0
        super().__init__(path)

    def _connect(self):
        connection = super()._connect()
        connection.set_trace_callback(self._on_statement)
        connection.set_progress_handler(self._on_steps, 100)
        connection.row_factory = self._on_row
        return connection

    def _on_statement(self, statement):
        self.statements += 1
        self.writes += statement.startswith("BEGIN IMMEDIATE")

    def _on_steps(self):
        self.steps += 1

    def _on_row(self, cursor, row):
        self.rows += 1
        return row

    def during(self, call):
        """Return the work of one call."""
        before = self.statements, self.rows, self.steps, self.writes
        call()
        after = self.statements, self.rows, self.steps, self.writes
        return Work(*(y - x for x, y in zip(before, after, strict=True)))
