"""`python -m fillbook`: the command line."""

from __future__ import annotations

from fillbook.cli import main

if __name__ == "__main__":
    main()
