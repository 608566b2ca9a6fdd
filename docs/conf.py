"""How the pages are built."""

from importlib.metadata import version as version_of

project = "fillbook"
author = "The fillbook maintainers"
release = version = version_of("fillbook")

extensions = ["myst_parser"]
html_theme = "furo"
html_title = "fillbook"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nitpicky = True
