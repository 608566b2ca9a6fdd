"""
The files of a wheel and of an sdist: `python tests/project/packed.py WHEEL SDIST`.

The wheel has every module and every data file of the package and nothing else; the sdist has what
its tests need.  It uses the standard library only.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def in_wheel(path: str) -> set[str]:
    """The files of the package in a wheel."""
    with zipfile.ZipFile(path) as packed:
        return {name for name in packed.namelist() if ".dist-info/" not in name}


def in_sdist(path: str) -> set[str]:
    with tarfile.open(path) as packed:
        return {name.partition("/")[2] for name in packed.getnames()}


def of_package() -> set[str]:
    """The files of the package in the source tree."""
    source = ROOT / "src"
    return {
        path.relative_to(source).as_posix()
        for path in (source / "fillbook").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def main(wheel: str, sdist: str) -> str | None:
    """Return what is wrong; None: nothing."""
    if differ := in_wheel(wheel) ^ of_package():
        return f"the wheel and the source differ: {sorted(differ)}"
    needed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "noxfile.py"}
    needed |= {f"src/{name}" for name in of_package()}
    if missing := needed - in_sdist(sdist):
        return f"the sdist lacks {sorted(missing)}"
    print("the wheel and the sdist have the files of the package")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
