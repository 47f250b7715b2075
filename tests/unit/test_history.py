"""What a coordinator keeps of a room, and what a viewer that comes or comes back is told."""

from coordinator.history import MAX_EVENTS, MAX_FIRST, MAX_MESSAGES, RUN_FIRST, History
from protocol import rules
from protocol.frames import MessageFrame
from protocol.requests import Start
from protocol.rules import Countdown


def run(history: History, seq: int, name: str, count: int = 10) -> int:
    room = Countdown()
    event = rules.start(room, Start(from_=count), 1000, name, "scheduler-1")
    history.add_event(seq, event, "e")
    room = rules.apply(room, seq, event)
    while (tick := rules.decide(room, 10_000_000_000, "scheduler-1")) is not None:
        seq += 1
        history.add_event(seq, tick, "e")
        room = rules.apply(room, seq, tick)
    return seq


def say(history: History, seq: int) -> None:
    history.add_message(seq, MessageFrame(seq=seq, room="main", text=f"m{seq}", at=seq), "e")


def seqs(history: History) -> list[int | None]:
    return [frame.seq for frame in history.first()]


def test_a_new_viewer_gets_the_last_run_and_the_latest_messages() -> None:
    history = History(floor=0)
    say(history, 1)
    last = run(history, 2, "run-1")
    last = run(history, last + 1, "run-2")
    say(history, last + 1)
    assert seqs(history) == [1, *range(14, 27)]


def test_a_new_viewer_gets_no_more_than_the_bound_and_the_run_goes_first() -> None:
    history = History(floor=0)
    for seq in range(1, 101):
        say(history, seq)
    run(history, 101, "run-1")
    first = seqs(history)
    assert len(first) == MAX_FIRST
    assert first[-12:] == list(range(101, 113))
    assert first == sorted(first, key=lambda seq: seq or 0)


def test_a_default_run_is_replayed_whole_beside_the_latest_messages() -> None:
    history = History(floor=0)
    last = run(history, 1, "run-1")
    for seq in range(last + 1, last + 101):
        say(history, seq)
    assert last == RUN_FIRST
    assert seqs(history) == [*range(1, 13), *range(last + 49, last + 101)]


def test_who_comes_late_into_a_long_run_gets_the_messages_too() -> None:
    history = History(floor=0)
    for seq in range(1, 5):
        say(history, seq)
    last = run(history, 5, "run-1", count=230)
    assert seqs(history) == [1, 2, 3, 4, *range(last - 59, last + 1)]
    for seq in range(last + 1, last + 301):
        say(history, seq)
    assert seqs(history) == [*range(last - 11, last + 1), *range(last + 249, last + 301)]


def test_a_run_without_messages_fills_all_there_is_room_for() -> None:
    history = History(floor=0)
    last = run(history, 1, "run-1", count=230)
    assert seqs(history) == list(range(last - 63, last + 1))


def test_messages_alone_fill_all_there_is_room_for() -> None:
    history = History(floor=0)
    for seq in range(1, 101):
        say(history, seq)
    assert seqs(history) == list(range(37, 101))


def test_a_viewer_that_comes_back_gets_all_that_it_missed() -> None:
    history = History(floor=0)
    last = run(history, 1, "run-1")
    say(history, last + 1)
    replayed, is_complete = history.since(5)
    assert [frame.seq for frame in replayed] == list(range(6, last + 2))
    assert is_complete


def test_a_viewer_is_told_where_not_all_is_held_any_more() -> None:
    history = History(floor=0)
    last = run(history, 1, "run-1", count=MAX_EVENTS + 10)
    assert not history.since(3)[1]
    assert history.since(last - 100)[1]
    for seq in range(last + 1, last + MAX_MESSAGES + 3):
        say(history, seq)
    replayed, is_complete = history.since(last)
    assert not is_complete
    assert len(replayed) == MAX_MESSAGES


def test_a_viewer_is_told_that_it_has_seen_more_than_a_restored_stream_holds() -> None:
    history = History(floor=0)
    last = run(history, 1, "run-1")
    assert history.since(last) == ([], True)
    assert history.since(last + 1) == ([], False)


def test_what_lies_before_the_look_back_is_not_held() -> None:
    history = History(floor=100)
    run(history, 101, "run-1")
    assert not history.since(99)[1]
    assert history.since(100)[1]


def test_many_messages_push_no_tick_out() -> None:
    history = History(floor=0)
    last = run(history, 1, "run-1")
    for seq in range(last + 1, last + 1000):
        say(history, seq)
    replayed, _ = history.since(0)
    assert [frame.seq for frame in replayed if frame.kind == "tick"] == list(range(2, 13))
