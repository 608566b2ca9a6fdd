"""The commands of the HTTP service, its tokens and the alerts."""

from typing import Final

from cyclopts import Group

SERVICE: Final = Group("Serve the record", sort_key=50)
