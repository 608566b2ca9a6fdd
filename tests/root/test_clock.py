"""The source of time: times, durations, and the timeline of a duration."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from fillbook.clock import ManualClock, SystemClock

ASK = """
from fillbook.clock import SystemClock
print(SystemClock().timeline, SystemClock().elapsed().total_seconds())
"""


def test_processes_of_one_boot_share_a_timeline_if_the_system_reports_its_boot():
    """On Linux another process counts from the same start; elsewhere each has its own."""
    before = SystemClock().elapsed().total_seconds()
    told = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    theirs, elapsed = told.stdout.strip().split(" ", 1)
    if sys.platform == "linux":
        assert theirs == SystemClock().timeline
        assert before <= float(elapsed) <= SystemClock().elapsed().total_seconds()
    else:
        assert theirs != SystemClock().timeline


def test_a_made_up_clock_has_a_timeline_of_its_own():
    """The durations of two simulated clocks cannot be compared."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    one, other = ManualClock(start), ManualClock(start)
    assert one.timeline == one.timeline
    assert len({one.timeline, other.timeline, SystemClock().timeline}) == 3


def test_a_clock_may_be_ahead_of_the_machine(monkeypatch):
    """For a bot at an emulator that began at another time; durations are those of the machine."""
    monkeypatch.setenv("FILLBOOK_CLOCK_AHEAD_S", "-86400")
    machine, ahead = SystemClock(timedelta()), SystemClock()
    assert timedelta(hours=23) < machine.now() - ahead.now() <= timedelta(hours=24)
    assert ahead.timeline == machine.timeline
