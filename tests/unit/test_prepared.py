"""A frame's bytes are those that the protocol asks for."""

import pytest
from websockets.frames import Frame, Opcode

from coordinator.prepared import text_frame, text_of


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_text_frame_is_that_of_the_websockets_library(size: int) -> None:
    data = b"x" * size
    assert text_of(text_frame(data)) == data
    assert text_frame(data) == Frame(Opcode.TEXT, data).serialize(mask=False)
