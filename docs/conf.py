"""How the pages are built."""

import runpy
from importlib.metadata import version as version_of
from pathlib import Path

FILLED = runpy.run_path(str(Path(__file__).parent / "reference" / "generate.py"))["filled"]

project = "fillbook"
author = "The fillbook maintainers"
release = version = version_of("fillbook")

extensions = ["myst_parser"]
html_theme = "furo"
html_show_copyright = False
html_title = "fillbook"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = True
# Types of the standard library and of the inside of the package have no page here.
nitpick_ignore_regex = [("py:.*", r"(?!fillbook\.).*")]
python_maximum_signature_line_length = 80
add_module_names = False


def setup(app):
    """Fill the parts of the API reference into the pages that name them."""

    def fill(app, name, source):
        source[0] = FILLED(source[0])

    app.connect("source-read", fill)
