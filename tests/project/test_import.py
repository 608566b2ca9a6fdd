"""What the public names of fillbook import: not what only some of their users need."""

import subprocess
import sys

LATER = (
    "asyncio",
    "concurrent.futures",
    "email",
    "http.client",
    "sqlite3",
    "ssl",
    "urllib.request",
)


def test_an_import_brings_nothing_that_only_some_need():
    code = f"import fillbook, sys; fillbook.open; print([x for x in {LATER} if x in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
