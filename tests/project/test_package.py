"""What is published: the metadata, the links of the README, the changelog, other systems."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import fillbook as fb
from tests.project import packed

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SOURCE = PROJECT["urls"]["Source"]
#: A system without fork and without POSIX file locks.
WITHOUT_POSIX = """
# These ask for os.fork, which is there.
import asyncio, concurrent.futures.thread, logging, os, random, sys
sys.modules["fcntl"] = None
del os.register_at_fork
import fillbook as fb
with fb.open("sim:", store="memory://") as desk:
    print(desk.check(ours={}).verdict)
try:
    fb.open("sim:", store="sqlite:///bot.db")
except fb.StoreUnavailable as error:
    print(error)
"""


def test_the_links_of_the_readme_are_absolute_and_lead_to_files_of_the_project():
    """The README is shown by package indexes, where a relative link leads nowhere."""
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert [link for link in links if not link.startswith("https://")] == []
    ours = [link for link in links if link.startswith(SOURCE)]
    paths = [re.sub(r"^/(blob|tree)/main/", "", link.removeprefix(SOURCE)) for link in ours]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert len(ours) > 5


def test_the_metadata_name_the_pages_the_source_and_the_changes():
    assert set(PROJECT["urls"]) == {"Changelog", "Documentation", "Issues", "Source"}
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())
    assert "Operating System :: Microsoft :: Windows" not in PROJECT["classifiers"]


def test_each_version_of_python_that_is_named_has_a_session_of_the_tests():
    named = re.findall(r"Python :: (3\.\d+)\b", "\n".join(PROJECT["classifiers"]))
    nox = (ROOT / "noxfile.py").read_text("utf-8")
    assert named == re.findall(r'"(3\.\d+)"', re.search(r"SUPPORTED = \((.*)\)", nox)[1])
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_the_changelog_begins_with_this_version_and_dates_every_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert heads[0].split(" (")[0] == fb.__version__
    assert [
        head for head in heads if not re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", head)
    ] == []


def test_the_host_of_the_pages_builds_them_as_the_session_does():
    host = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text("utf-8"))
    assert host["sphinx"] == {"configuration": "docs/conf.py", "fail_on_warning": True}
    assert "pip install . --group docs" in host["build"]["jobs"]["install"]


def test_a_system_without_file_locks_is_refused_with_a_sentence(tmp_path):
    """Windows: a record in memory works, one in a file says why it does not."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout == (
        "in_sync\n"
        "a record in a file needs POSIX file locks, which this system does not have. Run fillbook "
        "on Linux, on macOS, or on Windows in WSL\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_wheel_and_the_sdist_have_every_file_of_the_package(tmp_path):
    """Made by the build backend itself, without an environment of its own."""
    for kind in ("wheel", "sdist"):
        words = [
            sys.executable,
            "-c",
            f"import hatchling.build as b; b.build_{kind}({str(tmp_path)!r})",
        ]
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    wheel, sdist = (str(next(tmp_path.glob(f"*.{end}"))) for end in ("whl", "tar.gz"))
    assert packed.main(wheel, sdist) is None
    assert "fillbook/py.typed" in packed.in_wheel(wheel)
