"""
Mutants of the core: ``python -m tests.mutation``, in the nox session `mutation`.

Each mutant is run by `tests/core`; those that survive are run by `tests/desk` too.  It prints the
share that was killed and writes the survivors, with what each changes, to `SURVIVORS`; it fails if
fewer than `KILLED_MIN` of a hundred were killed.  With patterns (``core/orders/*``) it tries only
those modules, with ``--sample 500`` that many mutants, drawn at random; then it writes no file.

mutmut skips functions with a decorator: in the copy that is mutated ``@m.exact`` is a call below.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
SURVIVORS = Path(__file__).with_name("alive.txt")
KILLED_MIN = 85
COPIED = ("src", "tests", "pyproject.toml", "README.md")
EXACT = re.compile(r"^@m\.exact\ndef (\w+)(.*?)(?=\n(?:[^\s)]|\Z))", re.DOTALL | re.MULTILINE)
#: What a line that survives changes, if no behavior can depend on it.
REASONS = (
    (r"assert_never|^- *case _:", "mypy proves that it is never reached"),
    (r"present\(|raise \w+\(|# pragma", "the text of an error that is our bug"),
    (r"[\"'].*XX|XX.*[\"']|[\"'][A-Z ]{4,}", "the wording of a message"),
)


def undecorated(text):
    """Return the source with ``f = m.exact(f)`` instead of the decorator."""
    return EXACT.sub(lambda x: f"def {x[1]}{x[2].rstrip()}\n\n\n{x[1]} = m.exact({x[1]})\n\n", text)


def copy(folder, modules, killers):
    """Copy the project to *folder*, to mutate *modules*, which the tests *killers* run."""
    for name in COPIED:
        path = PROJECT / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / name)
    for path in (folder / "src/fillbook/core").rglob("*.py"):
        path.write_text(undecorated(path.read_text("utf-8")), "utf-8")
    config = folder / "pyproject.toml"
    text = config.read_text("utf-8")
    text = re.sub(r"only_mutate = .*", f"only_mutate = {json.dumps(modules)}", text)
    text = re.sub(r"test_selection = .*", f"test_selection = {json.dumps(killers)}", text)
    config.write_text(text, "utf-8")


def mutmut(folder, *words):
    """Run mutmut in *folder*; return what it prints."""
    command = [sys.executable, "-m", "mutmut", *words]
    env = os.environ | {"FILLBOOK_TEST_PROFILE": "quick", "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if run.returncode or "failed to collect stats" in run.stdout:
        sys.exit(f"mutmut {' '.join(words[:1])} failed:\n{run.stdout[-3000:]}{run.stderr[-3000:]}")
    return run.stdout


def states_in(folder):
    """Return the state of each mutant in *folder*, by its name."""
    lines = mutmut(folder, "results", "--all", "true").splitlines()
    rows = [line.strip().rpartition(": ") for line in lines]
    return {name: state for name, _, state in rows if name}


def drawn(folder, count):
    """Return the names of *count* mutants in *folder*: all are made when the first one is run."""
    mutmut(folder, "run", "*.x__moved__mutmut_1")
    names = sorted(states_in(folder))
    return random.sample(names, min(count, len(names)))


def alive(folder):
    """Return the names of the mutants that were run and survived, and how many were killed."""
    states = states_in(folder)
    died = sum(state in ("killed", "timeout", "caught by type check") for state in states.values())
    return [
        x for x, state in states.items() if state in ("survived", "no tests", "suspicious")
    ], died


def changes_of(folder, names):
    """Return the lines that each mutant changes."""
    code = (
        "import json, sys; from mutmut.mutation.diff_apply import get_diff_for_mutant as diff;"
        "print(json.dumps([diff(x) for x in json.load(sys.stdin)]))"
    )
    words = {"input": json.dumps(names), "capture_output": True, "text": True, "check": True}
    told = subprocess.run([sys.executable, "-c", code], cwd=folder, **words).stdout
    diffs = json.loads(told.splitlines()[-1])
    return [[x for x in diff.splitlines() if re.match(r"[-+](?![-+])", x)] for diff in diffs]


def reason_of(lines):
    """Return why a change cannot be noticed; None: a test is missing."""
    return next((why for text, why in REASONS if any(re.search(text, x) for x in lines)), None)


def run(modules, children, sample):
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name) / "core", Path(name) / "desk"
        copy(first, modules, ["tests/core"])
        chosen = drawn(first, sample) if sample else []
        mutmut(first, "run", "--max-children", str(children), *chosen)
        survivors, died = alive(first)
        total = len(survivors) + died
        print(f"{died} of {total} were killed by tests/core", flush=True)
        if survivors:
            copy(second, modules, ["tests/desk"])
            mutmut(second, "run", "--max-children", str(children), *survivors)
            left = set(alive(second)[0]) & set(survivors)
            survivors = [x for x in survivors if x in left]
        return total, list(zip(survivors, changes_of(first, survivors), strict=True))


def report(survivors, total):
    """Yield the lines of the file of survivors: by function, those that lack a test in full."""
    yield f"{len(survivors)} of {total} mutants of the core survive its tests and the desk's."
    yield "Printed by tests/mutation.  Without a reason: a test is missing."
    by_function = {}
    for name, lines in survivors:
        by_function.setdefault(name.partition("__mutmut_")[0], []).append(lines)
    for function, mutants in sorted(by_function.items()):
        yield f"\n{function}"
        reasons = Counter(why for lines in mutants if (why := reason_of(lines)))
        yield from (f"  {count}: {why}" for why, count in reasons.items())
        for lines in mutants:
            if reason_of(lines) is None:
                yield from (f"  {line[0]} {line[1:].strip()}" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="patterns below src/fillbook; default: core/*")
    parser.add_argument("--children", type=int, default=2, help="processes")
    parser.add_argument("--sample", type=int, help="mutants; default: all")
    options = parser.parse_args()
    modules = [f"src/fillbook/{x}" for x in options.modules or ["core/*"]]
    total, survivors = run(modules, options.children, options.sample)
    text = "\n".join(report(survivors, total)) + "\n"
    if options.modules or options.sample:
        print(text)
    else:
        SURVIVORS.write_text(text, "utf-8")
    missing = [name for name, lines in survivors if reason_of(lines) is None]
    killed = 100 * (1 - len(survivors) / max(total, 1))
    print(
        f"{killed:.1f} % of {total} killed; {len(survivors)} survive, {len(missing)} without reason"
    )
    return 0 if killed >= KILLED_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
