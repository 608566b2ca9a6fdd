"""
The steps of a rebalance: its trades in stages, and the wait for their proceeds.

Rule 1: what reduces is filled before anything increases: the second order of a symbol that passes
through zero too.
Rule 2: nothing increases before the account shows the funds.
Rule 3: the exits of one symbol are away for the time of its own trade, not for that of the plan.

Other halves: `core.plans.rebalance`, which decides on the trades, `core.plans.close`, and
`desk.plans.rebalance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve

from fillbook import model as m

#: The stages, before those of a trade are added: cancels, the order, and its exits again.
_CANCELS: Final = 0
_REDUCES: Final = 1
_FUNDS: Final = 4
_INCREASES: Final = 5


def staged(
    cancels: Iterable[str],
    trades: Iterable[tuple[m.RebalanceTrade, Sequence[m.PlanStep]]],
    funds: m.AwaitFunds | None,
) -> tuple[m.PlanStep, ...]:
    """
    Return the steps of a rebalance in their stages.

    *trades* are the trades with the steps that carry them out.  *funds*: the buys wait for them;
    None: there are no buys.  They are not waited for if nothing is canceled or reduced before.
    """
    steps = [m.PlanStep(action=m.CancelOrder(name), stage=_CANCELS) for name in cancels]
    later: list[m.PlanStep] = []
    for trade, own in trades:
        if trade.reduces:
            steps += [evolve(x, stage=_REDUCES + x.stage) for x in own]
        else:
            later += [evolve(x, stage=_INCREASES + x.stage) for x in own]
    if steps and funds is not None:
        steps.append(m.PlanStep(action=funds, stage=_FUNDS))
    return tuple(sorted((*steps, *later), key=lambda x: x.stage))
