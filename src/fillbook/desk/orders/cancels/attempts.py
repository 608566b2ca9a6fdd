"""
The attempts of cancels: claimed, written and sent (promises P1, P2 and P11).

The attempts of several orders are written in one transaction before the first of them is sent, and
their replies in one after the last, or each second.  An attempt whose reply is lost is followed by
a read of the order, whatever happened to the process (`core.orders.cancel_retries`).

Other half: `desk.orders.cancel`, which decides what is due.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import cancel_retries, instructions, lifecycle, lineage
from fillbook.core.orders.cancel_retries import Progress
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.send_permission import Permission
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.resolver import reply_entry
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.recorder import Recorder, Transaction

#: The delay of the next step if none is due, or if the cancel cannot be sent now.
NEXT_STEP_DELAY: Final = timedelta(seconds=10)
#: A reply is written this long after the one before it at the latest, if the broker replies slowly.
_REPLIES_WITHIN: Final = timedelta(seconds=1)


@frozen
class Due:
    """A cancel of one broker id, by an instruction; *made* are the attempts on it so far."""

    record: m.OrderRecord
    instruction: m.Instruction
    broker_order_id: str
    made: Sequence[m.Request]

    @property
    def name(self) -> str:
        """The client order id."""
        return self.record.client_order_id

    @property
    def was_sent(self) -> bool:
        """Whether an attempt may have left."""
        return any(r.answer is not m.AnswerKind.NOT_SENT for r in self.made)


class CancelAttempts:
    """Attempts cancels, and keeps what this process has seen of each id since."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, tracker: Tracker, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._tracker = tracker
        self._clock = clock
        self._progress: dict[tuple[str, str], Progress] = {}
        self._lock = threading.Lock()
        self._rejected: set[tuple[str, str]] = set()  #: refused cancels that were alerted

    def attempt(
        self, due: Sequence[Due], *, for_caller: bool, wait: bool = False
    ) -> timedelta | None:
        """
        Claim, write and send the cancels *due*, of an order each.

        *for_caller*: a caller waits, and first attempts need no lease.  *wait*: the first waits for
        a share of the rate limit.  Return None, or when to retry those that cannot be sent now.
        """
        granted: list[Due] = []
        retry_at: timedelta | None = None
        for each in due:
            retry_at = self._claim_share(each, for_caller, wait=wait and not granted)
            if retry_at is not None:
                break
            granted.append(each)
        if granted:
            with self._recorder.transaction() as transaction:
                requests = [self._write(transaction, each, for_caller) for each in granted]
            written = zip(granted, requests, strict=True)
            # Another thread or process has sent the others meanwhile.
            self._send([(x, request) for x, request in written if request is not None], for_caller)
        return retry_at

    def _claim_share(self, due: Due, for_caller: bool, *, wait: bool) -> timedelta | None:
        """Claim what one request needs; return None, or when to retry."""
        now, authority = self._clock.elapsed(), due.instruction.authority
        if self._gateway.permission(authority) is not Permission.SEND:
            return now + NEXT_STEP_DELAY
        first_attempt = for_caller and not due.was_sent
        refused = self._gateway.claim("cancel", authority, first_attempt=first_attempt, wait=wait)
        if refused is None:
            return None
        if refused.retry_at is None:
            return self._clock.elapsed() + NEXT_STEP_DELAY
        delay = refused.retry_at - self._clock.now()
        return self._clock.elapsed() + min(
            max(delay, timedelta(milliseconds=250)), NEXT_STEP_DELAY * 6
        )

    def _write(self, transaction: Transaction, due: Due, for_caller: bool) -> m.Commanded | None:
        """Write and return the request; None if it is obsolete, or another desk has made it."""
        reader = transaction.reader
        record = reader.get(m.OrderRecord, due.name)
        if record is None or record.order.is_final:
            return None
        known = evidence_of(reader, record)
        now = instructions.cancel_of_all_ids(record, known)
        alive = {e.broker_order_id for e in known if lineage.is_live(e)}
        if now is None or due.broker_order_id not in alive:
            return None
        if len(attempts_on(record, now, due.broker_order_id)) != len(due.made):
            return None
        is_first = for_caller and not due.was_sent
        if not is_first and not self._gateway.lease.is_held(reader):
            return None
        lifecycle.expected_status(record.order.status, m.Command.CANCEL)
        request = m.Commanded(
            due.name,
            m.Command.CANCEL,
            len(record.requests) + 1,
            due.broker_order_id,
            instruction=now.number,
        )
        transaction.record(request)
        return request

    def _send(self, written: Sequence[tuple[Due, m.Commanded]], for_caller: bool) -> None:
        """Send what was written, one after the other, and write the replies together."""
        waiting, entries = deque(written), list[m.Entry]()
        rejected: list[tuple[Due, str]] = []
        since = self._clock.elapsed()
        try:
            while waiting:
                due, request = waiting.popleft()
                replied, outcome = self._send_one(due, request, for_caller)
                entries += replied
                if isinstance(outcome, m.Rejected):
                    rejected.append((due, outcome.message))
                if self._clock.elapsed() - since > _REPLIES_WITHIN:
                    self._recorder.record_reply(*entries)
                    entries, since = [], self._clock.elapsed()
        finally:
            # The thread was interrupted: the reply of the one that was sent is not known.
            entries += [_not_sent(due, request) for due, request in waiting]
            if entries:
                self._recorder.record_reply(*entries)
        for due, message in rejected:
            self._alert_rejected(due, message)

    def _send_one(
        self, due: Due, request: m.Commanded, for_caller: bool
    ) -> tuple[list[m.Entry], m.Outcome]:
        """Send one cancel; return the entries of its reply, and its outcome."""
        number_before, broker = self._tracker.snapshot_number(), self._gateway.broker
        outcome = self._gateway.send(
            "cancel",
            partial(broker.cancel, due.broker_order_id),
            first_attempt=for_caller and not due.was_sent,
        )
        after = _after_attempt(self._clock.elapsed(), len(due.made) + 1)
        self._update_progress(due.name, due.broker_order_id, after)
        entries: list[m.Entry] = [reply_entry(due.name, request, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, number_before))
        return entries, outcome

    def _alert_rejected(self, due: Due, message: str) -> None:
        key = due.name, due.broker_order_id
        if key not in self._rejected:
            self._rejected.add(key)
            text = (
                f"the broker rejected the cancel of order {due.name}: {message}; the cancel is "
                "retried while the order is live"
            )
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.CANCEL_REFUSED, due.name, text)))

    # -- progress of this process ------------------------------------------------------

    def progress_of(self, name: str, broker_order_id: str, recorded: int) -> Progress:
        """Return what this process knows of an id, of which the record has *recorded* attempts."""
        key, now = (name, broker_order_id), self._clock.elapsed()
        with self._lock:
            self._progress[key] = cancel_retries.seen(self._progress.get(key), recorded, now)
            return self._progress[key]

    def request_again(self, record: m.OrderRecord, known: Sequence[m.Evidence]) -> None:
        """Retry each attempted cancel as soon as its id is read alive: the bot cancels again."""
        now, instruction = self._clock.elapsed(), instructions.cancel_of_all_ids(record, known)
        if instruction is None:
            return
        name = record.client_order_id
        for broker_order_id in record.ids:
            made = attempts_on(record, instruction, broker_order_id)
            if made:
                self.progress_of(name, broker_order_id, len(made))
                self._update_progress(
                    name, broker_order_id, lambda before: evolve(before, requested_at=now)
                )

    def note_read(self, name: str, broker_order_id: str, at: timedelta, *, alive: bool) -> None:
        """Note a read of an id that began *at*."""

        def change(before: Progress) -> Progress:
            seen = at if alive else before.live_at
            return evolve(before, reads=before.reads + 1, read_at=at, live_at=seen)

        self._update_progress(name, broker_order_id, change)

    def _update_progress(
        self, name: str, broker_order_id: str, change: Callable[[Progress], Progress]
    ) -> None:
        with self._lock:
            before = self._progress[name, broker_order_id]
            self._progress[name, broker_order_id] = change(before)


def _after_attempt(at: timedelta, recorded: int) -> Callable[[Progress], Progress]:
    def change(before: Progress) -> Progress:
        return Progress(
            attempted_at=at, recorded=recorded, is_own=True, attempts=before.attempts + 1
        )

    return change


def _not_sent(due: Due, request: m.Commanded) -> m.Answered:
    why = "it was not sent: the cancels before it were interrupted"
    return m.Answered(
        due.name,
        request.number,
        m.AnswerKind.NOT_SENT,
        why,
        broker_order_id=due.broker_order_id,
    )


def attempts_on(
    record: m.OrderRecord, instruction: m.Instruction, broker_order_id: str
) -> list[m.Request]:
    """Return the cancels of one id: of a cancel, or of a change by cancel-and-new."""
    made = instructions.attempts(record, instruction, broker_order_id)
    return [r for r in made if r.command is m.Command.CANCEL]
