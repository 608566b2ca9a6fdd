"""Every known fault has a test under its id, or a reason for its absence."""

import ast
import re
from pathlib import Path

KNOWN = {
    "SUB": (1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 30),
    "STR": (1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17),
    "PF": (1, 2, 4, 5, 7, 8, 10, 11),
    "CR": (1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 30, 31, 32),
    "POS": (1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 30),
    "BP": (1, 2, 4, 5, 7, 8, 10, 11, 13, 14),
    "PROT": (1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 30, 31, 32, 33, 34),
    "RST": (1, 2, 4, 5, 7, 8, 10),
    "EXT": (1, 2, 4, 5, 7, 8, 10, 11, 13),
    "TIF": (1, 2, 4, 5, 7, 8),
    "RL": (1, 2, 4, 5, 7, 8),
    "PREC": (1, 2, 4, 5, 7, 8),
    "ACT": (1, 2, 3, 4, 5),
}

NOT_YET = {
    "PF-10": "an order is complete when the broker reports it; no tolerance can be set yet",
    "POS-07": "no broker here reports several positions of one symbol",
}
#: What is tested under other names: the folder or module below `tests`.
ELSEWHERE = {
    "ACT-01": "core/journal/test_corporate_actions.py",
    "ACT-02": "scenarios/regressions/test_rows.py",
    "ACT-03": "scenarios/regressions/test_rows.py",
    "ACT-04": "core/money/test_fees.py",
    "ACT-05": "scenarios/corporate",
}


def ids_here():
    """The ids in the names of the tests of all scenarios."""
    for path in Path(__file__).parents[1].rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found = re.findall(r"(?:test|and)_([a-z]+)_(\d\d)(?=_)", node.name)
                yield from (f"{group.upper()}-{number}" for group, number in found)


def test_every_fault_has_its_test_or_a_reason():
    """None is missing, and none is both."""
    known = {f"{group}-{number:02}" for group, numbers in KNOWN.items() for number in numbers}
    here, others = set(ids_here()), NOT_YET.keys() | ELSEWHERE.keys()
    assert here | others == known
    assert not here & others
    tests = Path(__file__).parents[2]
    assert all((tests / path).exists() for path in ELSEWHERE.values())
