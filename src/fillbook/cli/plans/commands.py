"""`fillbook plans`, `plan`, `approve`, `reject`, `repair` and `rebuild`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from fillbook import errors
from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    LiveOption,
    StoreOption,
    existing_store,
    open_book,
    open_desk,
    parse_day,
    print_result,
)
from fillbook.cli.plans import show
from fillbook.cli.plans.follow import WAIT_S, WaitOption, follow, print_dry_run, print_outcome
from fillbook.cli.reconcile import printing
from fillbook.cli.reconcile.derive import derive_records
from fillbook.model.plan import FINAL_STATES

PlanName = Annotated[str, Parameter(help="The id of a plan, as in fillbook plans.")]


def plans(
    *,
    state: Annotated[
        m.PlanState | None,
        Parameter(help="Only plans in this state; else all that have not ended."),
    ] = None,
    every: Annotated[bool, Parameter(name="--all", help="Also the plans that have ended.")] = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List the plans of the record, oldest first (offline)."""
    if every and state is not None:
        raise errors.InvalidValue("--all cannot be combined with --state")
    with open_book(store) as book:
        present = book.plans(state)
        ended = [x for each in FINAL_STATES for x in book.plans(each)] if state is None else []
    found = [*present, *ended] if every else present
    found.sort(key=lambda x: (x.created_at, x.plan_id))
    print_result(found, lambda x: show.plan_list(x, 0 if every else len(ended)), json=json)


def plan(plan_id: PlanName, /, *, store: StoreOption = None, json: JsonOption = False) -> None:
    """Show one plan: its purpose, its effect, and the state of each step (offline)."""
    with open_book(store) as book:
        currency = book.status().currency
        print_result(book.plan(plan_id), lambda x: show.plan_details(x, currency), json=json)


def approve(
    plan_id: PlanName,
    /,
    *,
    wait: WaitOption = WAIT_S,
    dry_run: Annotated[bool, Parameter(help="Only print the plan (offline).")] = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Approve a proposed plan, and carry it out.

    A plan is refused if the account changed since it was made. Exits with 1 if it is not done yet,
    and says what is left.
    """
    if dry_run:
        with open_book(store) as book:
            found = book.plan(plan_id)
            if found.state is not m.PlanState.PROPOSED:
                raise errors.PlanEnded(f"plan {plan_id} is {found.state}; it cannot be approved")
            return print_dry_run(found, book, json=json)
    with open_desk(broker, existing_store(store), live=live) as desk:
        return print_outcome(follow(desk, desk.approve(plan_id), wait), json=json)


def reject(
    plan_id: PlanName,
    /,
    *,
    why: Annotated[str, Parameter(help="The reason, for the audit.")],
    broker: BrokerOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> int:
    """Reject a plan that has not begun; the same plan is not proposed again."""
    with open_desk(broker, existing_store(store)) as desk:
        plan = desk.reject(plan_id, why)
    if json:
        output.as_json(plan)
    else:
        output.out.print(
            f"Plan {output.cell(plan.plan_id)} is rejected; nothing was sent. "
            "The same plan is not proposed again.",
            soft_wrap=True,
        )
    return 0


def repair(
    *,
    mode: Annotated[
        m.RepairMode | None,
        Parameter(
            help="observe: only report; approve: store the repairs as plans; auto: also carry out "
            "those that do not trade. Else $FILLBOOK_REPAIRS, fillbook.toml, or observe.",
        ),
    ] = None,
    wait: WaitOption = WAIT_S,
    dry_run: Annotated[
        bool,
        Parameter(
            help="Only print the repairs of what the last sync left; stores and sends nothing."
        ),
    ] = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Reconcile, and show what would repair the differences that are left.

    Exits with 0 if no difference is left to repair, with 1 if the account was not observed or the
    record is empty, else with 3.
    """
    with open_desk(broker, existing_store(store), live=live, repairs=mode) as desk:
        found = desk.repair(dry_run=dry_run)
        stored = {x.plan_id for x in desk.plans()} & {x.plan_id for x in found}
        if not dry_run:
            found = [follow(desk, x, wait).plan if x.plan_id in stored else x for x in found]
        left = [x for x in found if not x.is_fulfilled]
        record = desk.book.status()
    nothing = 1 if record.account is None or record.missed_snapshots else 0  # nothing was compared
    if json:
        output.as_json(found)
        return 3 if left else nothing
    for each in found:
        show.plan_details(each, record.currency, is_stored=each.plan_id in stored)
        if each.plan_id in stored:
            for line in show.outcome(each):
                output.out.print(line, soft_wrap=True)
    if not nothing:
        output.out.print(_summary(found, left, stored), soft_wrap=True)
    output.note(show.age_of(record) if dry_run or nothing else "")
    return 3 if left else nothing


def rebuild(
    *,
    since: Annotated[
        str | None,
        Parameter(help="Read the orders from that day on, like 2026-01-05, for their strategies."),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(help="Only show what would change; stores and sends nothing.")
    ] = False,
    from_journal: Annotated[
        bool,
        Parameter(help="Derive the records from the journal again (offline), not from the broker."),
    ] = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Take the broker's figures for the whole record; the last resort when no repair helps.

    A copy of the record is kept beside it. Keys, unconfirmed orders and protections stay; open
    plans are stopped. Exits with 3 if the record does not agree with the broker then; if the
    account cannot be read, nothing is changed. With --from-journal a damaged row of the records
    (not of the journal) is replaced, and nothing is lost.
    """
    if from_journal:
        if since is not None or dry_run:
            raise errors.InvalidValue("--from-journal cannot be combined with --since or --dry-run")
        return derive_records(existing_store(store), json=json)
    with open_desk(broker, existing_store(store), live=live) as desk:
        found = desk.rebuild(parse_day(since), dry_run=dry_run)
    print_result(found, printing.rebuilt, json=json)
    return output.CODES[found.verdict]


def _summary(found: list[m.Plan], left: list[m.Plan], stored: set[str]) -> str:
    """Return how many repairs are left, and what decides on them."""
    if not left:
        return "[green]Nothing is left to repair.[/]"
    only_shown = [x for x in found if x.plan_id not in stored]
    if only_shown:
        return (
            f"Repairs that are only shown: {len(only_shown)}; --mode approve stores them as plans."
        )
    return f"Repairs that are left: {len(left)}; see fillbook plans."
