"""What coordinators tell one another of their viewers, however many rooms they have."""

from types import SimpleNamespace

import pytest

from coordinator.hub import Hub
from coordinator.presence import Count, Peers
from protocol import subjects
from protocol.frames import Screens

MAX_PAYLOAD = 64 * 1024
SCREENS = Screens(reporting=1, in_step=1, worst_error_ms=12.3)


class Wire:
    """A bus that keeps what was published, and the others' ears."""

    def __init__(self) -> None:
        self.client = self
        self.payloads: list[bytes] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        assert subject == subjects.PRESENCE
        assert len(payload) < MAX_PAYLOAD
        self.payloads.append(payload)


async def peers(wire: Wire) -> Peers:
    return Peers(wire, Hub("coordinator-1"))  # type: ignore[arg-type]


async def hear(peers: Peers, payloads: list[bytes], subject: str = subjects.PRESENCE) -> None:
    for payload in payloads:
        await peers._hear(SimpleNamespace(subject=subject, data=payload))  # type: ignore[arg-type]


def elsewhere(peers: Peers) -> dict[str, int]:
    peers._add_up()
    return peers._hub.situation.elsewhere


def rooms(count: int) -> dict[str, Count]:
    return {f"{number:05}{'x' * 59}": Count(1_000_000, SCREENS) for number in range(count)}


@pytest.mark.parametrize("count", [0, 1, 299, 300, 301, 5000])
async def test_any_number_of_rooms_fits_on_the_bus(count: int) -> None:
    wire = Wire()
    here, there = await peers(wire), await peers(Wire())
    await here._say(rooms(count))
    await hear(there, wire.payloads)
    assert elsewhere(there) == dict.fromkeys(rooms(count), 1_000_000)


async def test_rooms_that_are_empty_again_are_forgotten() -> None:
    wire = Wire()
    here, there = await peers(wire), await peers(Wire())
    await here._say(rooms(1000))
    await here._say(rooms(10))
    await hear(there, wire.payloads)
    assert len(elsewhere(there)) == 10
    await here._say({})
    await hear(there, wire.payloads[-1:])
    assert elsewhere(there) == {}


async def test_what_was_said_in_part_only_does_not_count_yet() -> None:
    wire = Wire()
    here, there = await peers(wire), await peers(Wire())
    await here._say(rooms(10))
    await here._say(rooms(1000))
    await hear(there, wire.payloads[:-1])
    assert len(elsewhere(there)) == 10
    await here._say(rooms(20))
    await hear(there, wire.payloads[-1:])
    assert len(elsewhere(there)) == 20


async def test_what_the_stream_was_made_to_deliver_is_no_presence() -> None:
    wire = Wire()
    here, there = await peers(wire), await peers(Wire())
    await here._say(rooms(1))
    await hear(there, wire.payloads, "countdown.main.message")
    assert elsewhere(there) == {}
