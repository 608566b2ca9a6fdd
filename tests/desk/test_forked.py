"""A forked child: every public method of the inherited desk raises Forked, at once."""

import asyncio
import inspect
import os

import pytest

import fillbook as fb
from fillbook import errors
from fillbook.desk.aio import AsyncDesk
from tests.bench import Bench

METHODS = sorted(name for name in vars(fb.Desk) if not name.startswith("_"))


def used(desk, name):
    """Use a member of *desk*, with an argument for every parameter that needs one."""
    member = inspect.getattr_static(fb.Desk, name)
    if isinstance(member, property):
        return getattr(desk, name)
    needed = [x for x in inspect.signature(member).parameters.values() if x.default is x.empty]
    return getattr(desk, name)(*("AAPL" for x in needed[1:] if x.kind is not x.VAR_KEYWORD))


def raises_in_a_child(use):
    """Whether *use* raises Forked in a forked child; it may not block there."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            use()
        except errors.Forked:
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.timeout(60)
def test_every_method_of_an_inherited_desk_raises_forked(name):
    bench = Bench()
    with (
        bench.desk._cancellation._attempts._lock
    ):  # as a thread of the parent may hold it at the fork
        assert raises_in_a_child(lambda: used(bench.desk, name))
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC


@pytest.mark.timeout(60)
def test_an_inherited_desk_for_asyncio_raises_forked():
    desk = AsyncDesk(Bench().desk)
    asyncio.run(desk.tick())
    assert raises_in_a_child(lambda: asyncio.run(desk.tick()))
    assert raises_in_a_child(lambda: desk.requests)
