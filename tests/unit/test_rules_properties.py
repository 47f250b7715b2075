"""The rules under any interleaving of replicas: one run, every tick once, in order, always.

The machine below is the system without its I/O: one stream that stores an append only if it expects
the right last sequence, and replicas that fold it late, forget everything, keep wrong clocks and
append whatever the rules tell them. Some appends are stored without the replica hearing of it.
"""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol import rules
from protocol.events import Cancelled, Event, Started, Tick
from protocol.requests import Cancel, Start
from protocol.rules import Countdown, NothingUnderWay, RunUnderWay

REPLICAS = st.integers(0, 2)


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

    @rule(which=REPLICAS, is_heard=st.booleans(), count=st.integers(1, 5))
    def somebody_starts(self, which: int, is_heard: bool, count: int) -> None:
        replica = self.replicas[which]
        self.runs += 1
        request = Start(run=f"run-{self.runs}", from_=count, interval_ms=1000)
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
            assert event.starts_at in self.starts_of(event.run)
        else:
            self.append(replica, event, is_heard)

    def starts_of(self, run: str) -> list[int]:
        return [it.starts_at for it in self.stream if isinstance(it, Started) and it.run == run]

    @rule(which=REPLICAS, is_heard=st.booleans())
    def somebody_cancels(self, which: int, is_heard: bool) -> None:
        replica = self.replicas[which]
        try:
            event = rules.cancel(replica.room, Cancel(), replica.name)
        except NothingUnderWay:
            return
        self.append(replica, event, is_heard)

    @rule(which=REPLICAS, is_heard=st.booleans())
    def a_replica_decides(self, which: int, is_heard: bool) -> None:
        replica = self.replicas[which]
        tick = rules.decide(replica.room, self.now + replica.skew, replica.name)
        if tick is not None:
            assert tick.emitted >= tick.due_at
            self.append(replica, tick, is_heard)

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

    @rule()
    def somebody_publishes_garbage(self) -> None:
        self.stream.append(None)

    @invariant()
    def every_run_is_every_tick_once_in_order(self) -> None:
        under_way: Started | Tick | None = None
        for event in self.stream:
            match event:
                case Started():
                    assert under_way is None, "two runs at once"
                    under_way = event
                case Tick():
                    assert under_way is not None, "a tick after the end"
                    assert event.run == under_way.run
                    expected = (
                        under_way.from_
                        if isinstance(under_way, Started)
                        else (under_way.remaining or 0) - 1
                    )
                    assert event.remaining == expected
                    under_way = event if event.remaining else None
                case Cancelled():
                    assert under_way is not None, "a cancel of nothing"
                    assert event.run == under_way.run
                    under_way = None

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
        left = rules.next_remaining(room)
        ticks = 0
        while (tick := rules.decide(room, self.now + 10_000_000, "last")) is not None:
            room = rules.apply(room, room.seq + 1, tick)
            ticks += 1
        assert ticks == (0 if left is None else left + 1)
        assert not room.is_under_way


Countdowns.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestAnyInterleaving = Countdowns.TestCase
