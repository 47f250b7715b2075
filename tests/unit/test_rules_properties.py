"""The rules under any interleaving of replicas: one run, every tick once, in order, always.

The machine below is the system without its I/O: one stream that stores an append only if it expects
the right last sequence, and replicas that fold it late, forget everything, keep wrong clocks and
append whatever the rules tell them. Some appends are stored without the replica hearing of it.
Some numbers have no tick: above DENSE here.
"""

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol import changes, rules
from protocol.events import (
    Cancelled,
    Change,
    Event,
    Held,
    Known,
    PlannedHold,
    Resumed,
    Started,
    Tick,
)
from protocol.refusals import NotHeld, NothingUnderWay, RunUnderWay
from protocol.requests import Adjust, Cancel, Hold, Recycle, RequestError, Resume, Start
from protocol.rules import Countdown
from support.oracle import DENSE, SPARSE, check_successor, ticks_below

REPLICAS = st.integers(0, 2)
NUMBERS = st.integers(1, 14)
HOLDS = st.lists(
    st.builds(PlannedHold, at=NUMBERS, for_ms=st.sampled_from([None, 300, 3000, 60_000])),
    max_size=3,
    unique_by=lambda hold: hold.at,
)
MAX_HOLD_MS = 10_000
EVENTS_LEFT = 100
"""More than any run still has."""


@pytest.fixture(scope="module", autouse=True)
def few_numbers_have_a_tick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "DENSE", DENSE)
        patch.setattr(rules, "SPARSE", SPARSE)
        yield


class Replica:
    def __init__(self, name: str, skew: int) -> None:
        self.name = name
        self.skew = skew
        self.room = Countdown()


class Countdowns(RuleBasedStateMachine):
    @initialize(skews=st.lists(st.integers(-400, 400), min_size=3, max_size=3))
    def begin(self, skews: list[int]) -> None:
        self.now = 1_000_000
        self.stream: list[Event | None] = []
        self.runs = 0
        self.asked: dict[str, Start] = {}
        self.changes: list[Hold | Resume | Adjust | Recycle] = []
        self.ids = 0
        self.replicas = [Replica(f"scheduler-{n}", skew) for n, skew in enumerate(skews)]

    def append(self, replica: Replica, event: Event, is_heard: bool) -> None:
        if replica.room.seq != len(self.stream):
            return  # refused: it expected another last sequence
        self.stream.append(event)
        if is_heard:
            replica.room = rules.apply(replica.room, len(self.stream), event)

    @rule(ms=st.integers(1, 3000))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @rule(
        which=REPLICAS,
        is_heard=st.booleans(),
        count=st.integers(1, 5) | NUMBERS,
        interval_ms=st.sampled_from([1000, 300, 2500]),
        holds=HOLDS,
    )
    def somebody_starts(
        self, which: int, is_heard: bool, count: int, interval_ms: int, holds: list[PlannedHold]
    ) -> None:
        replica = self.replicas[which]
        self.runs += 1
        request = Start(
            run=f"run-{self.runs}",
            from_=count,
            interval_ms=interval_ms,
            holds=tuple(hold for hold in holds if hold.at <= count),
        )
        self.asked[f"run-{self.runs}"] = request
        self.start(replica, request, is_heard)

    @rule(which=REPLICAS, is_heard=st.booleans(), back=st.integers(0, 2))
    def somebody_starts_again(self, which: int, is_heard: bool, back: int) -> None:
        """The same request, perhaps to another replica, perhaps after it was carried out."""
        if request := self.asked.get(f"run-{self.runs - back}"):
            self.start(self.replicas[which], request, is_heard)

    def start(self, replica: Replica, request: Start, is_heard: bool) -> None:
        now = self.now + replica.skew
        try:
            event = rules.start(replica.room, request, now, "unnamed", replica.name)
        except RunUnderWay:
            return
        if rules.has_happened(replica.room, event):
            is_moved = event.change is not None or event.holds  # then it has the terms of today
            assert is_moved or event.starts_at in self.starts_of(event.run)
        else:
            self.append(replica, event, is_heard)

    def starts_of(self, run: str) -> list[int]:
        return [it.starts_at for it in self.stream if isinstance(it, Started) and it.run == run]

    @rule(
        which=REPLICAS,
        is_heard=st.booleans(),
        is_current=st.booleans(),
        what=st.sampled_from(["hold", "resume", "adjust", "recycle"]),
        seconds=st.integers(-4, 4),
        to=NUMBERS,
    )
    def somebody_changes(
        self, which: int, is_heard: bool, is_current: bool, what: str, seconds: int, to: int
    ) -> None:
        replica, id = self.replicas[which], f"change-{self.ids}"
        self.ids += 1
        if is_current:
            self.a_replica_folds(which, len(self.stream))
        match what:
            case "hold":
                self.change(replica, Hold(id=id), is_heard)
            case "resume":
                self.change(replica, Resume(id=id), is_heard)
            case "recycle":
                self.change(replica, Recycle(id=id, to=to), is_heard)
            case _:
                self.change(replica, Adjust(id=id, seconds=seconds), is_heard)

    @rule(
        which=REPLICAS,
        count=NUMBERS,
        what=st.sampled_from(["hold", "resume", "adjust", "recycle"]),
        seconds=st.integers(-4, 4),
        to=NUMBERS,
    )
    def somebody_changes_what_is_held_by_plan(
        self, which: int, count: int, what: str, seconds: int, to: int
    ) -> None:
        """Seldom reached otherwise: the rule that starts a run has to find none under way."""
        self.a_replica_folds(which, len(self.stream))
        self.somebody_starts(which, True, count, 1000, [PlannedHold(at=count, for_ms=3000)])
        self.a_replica_decides(which, True, True)
        self.somebody_changes(which, True, True, what, seconds, to)

    @rule(which=REPLICAS, is_heard=st.booleans())
    def somebody_changes_again(self, which: int, is_heard: bool) -> None:
        """The same request, perhaps to another replica, perhaps after it was carried out."""
        if self.changes:
            self.a_replica_folds(which, len(self.stream))
            self.change(self.replicas[which], self.changes.pop(), is_heard)

    def decided(self, replica: Replica, request: Hold | Resume | Adjust | Recycle) -> Change:
        now = self.now + replica.skew
        match request:
            case Hold():
                return changes.hold(replica.room, request, now, "unnamed", replica.name)
            case Resume():
                return changes.resume(replica.room, request, now, "unnamed", replica.name)
            case Adjust():
                return changes.adjust(replica.room, request, now, "unnamed", replica.name)
            case Recycle():
                return changes.recycle(replica.room, request, now, "unnamed", replica.name)

    def change(
        self, replica: Replica, request: Hold | Resume | Adjust | Recycle, is_heard: bool
    ) -> None:
        try:
            event = self.decided(replica, request)
        except (NothingUnderWay, NotHeld, RequestError, RunUnderWay):
            return
        assert not isinstance(event, Held) or event.held_until is None, "it would go on"
        self.changes.append(msgspec.structs.replace(request, run=event.run))
        if not rules.has_happened(replica.room, event):
            now = self.now + replica.skew
            due = rules.decide(replica.room, now, replica.name, MAX_HOLD_MS)
            self.append(replica, due or event, is_heard)

    @rule(which=REPLICAS, is_heard=st.booleans())
    def somebody_cancels(self, which: int, is_heard: bool) -> None:
        replica = self.replicas[which]
        try:
            event = rules.cancel(replica.room, Cancel(), replica.name)
        except NothingUnderWay:
            return
        self.append(replica, event, is_heard)

    @rule(which=REPLICAS, is_heard=st.booleans(), is_current=st.booleans())
    def a_replica_decides(self, which: int, is_heard: bool, is_current: bool) -> None:
        replica = self.replicas[which]
        if is_current:
            self.a_replica_folds(which, len(self.stream))
        now = self.now + replica.skew
        event = rules.decide(replica.room, now, replica.name, MAX_HOLD_MS)
        if event is None:
            return
        if isinstance(event, Cancelled):
            held = replica.room.last
            assert isinstance(held, Known)
            assert held.held_until is None
            assert now >= (held.held_at or now) + MAX_HOLD_MS
        else:
            assert now >= (event.due_at if isinstance(event, Tick) else event.at)
        self.append(replica, event, is_heard)

    @rule(which=REPLICAS, entries=st.integers(1, 4))
    def a_replica_folds(self, which: int, entries: int) -> None:
        replica = self.replicas[which]
        for _ in range(entries):
            seq = replica.room.seq + 1
            if seq <= len(self.stream):
                replica.room = rules.apply(replica.room, seq, self.stream[seq - 1])

    @rule(which=REPLICAS)
    def a_replica_restarts_from_the_last_event(self, which: int) -> None:
        last = max((n for n, event in enumerate(self.stream) if event is not None), default=None)
        room = Countdown()
        if last is not None:
            room = rules.apply(room, last + 1, self.stream[last])
        self.replicas[which].room = rules.apply(room, len(self.stream), None)

    @rule(is_rare=st.integers(0, 5))
    def somebody_publishes_garbage(self, is_rare: int) -> None:
        if is_rare == 5:
            self.stream.append(None)

    @invariant()
    def every_number_of_a_segment_comes_once_in_order_when_it_is_due(self) -> None:
        before: Known | None = None
        for event in self.stream:
            if not isinstance(event, Known):
                continue
            if isinstance(event, Started):
                assert before is None, "two runs at once"
                before = event
                continue
            assert before is not None, "an event after the end"
            assert event.run == before.run
            check_successor(before, event)
            is_over = isinstance(event, Cancelled) or event.remaining == 0
            before = None if is_over else event

    @invariant()
    def nothing_is_done_twice(self) -> None:
        """A run that goes on by itself keeps the change before that."""
        changes: list[str | None] = [None]
        for event in self.stream:
            is_automatic = isinstance(event, Resumed) and event.change in (None, changes[-1])
            if isinstance(event, Change) and not is_automatic:
                changes.append(event.change)
        assert all(one != next_one for one, next_one in pairwise(changes))

    @invariant()
    def no_run_is_started_twice_in_a_row(self) -> None:
        runs = [event.run for event in self.stream if isinstance(event, Started)]
        assert all(one != next_one for one, next_one in pairwise(runs))

    @invariant()
    def whoever_knows_everything_finishes_the_run(self) -> None:
        """However it got here, one replica that folds and decides counts to zero."""
        room = Countdown()
        for seq, event in enumerate(self.stream, 1):
            room = rules.apply(room, seq, event)
        if not room.is_under_way or not isinstance(room.last, Known):
            return
        expected, numbers = ticks_below(room.last), []
        later = self.now
        for n in range(EVENTS_LEFT):
            later += 1_000_000
            if not room.is_under_way:
                break
            due = rules.decide(room, later, "last")
            due = due or changes.resume(room, Resume(), later, f"resumed-{n}", "last")
            room = rules.apply(room, room.seq + 1, due)
            numbers += [due.remaining] if isinstance(due, Tick) else []
        assert numbers == expected
        assert not room.is_under_way


Countdowns.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestAnyInterleaving = Countdowns.TestCase
