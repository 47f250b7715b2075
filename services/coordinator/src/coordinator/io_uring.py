"""Many sends in one system call: a ring shared with the kernel (io_uring, Linux 6.1 or later).

Sending to a thousand viewers takes a thousand system calls, and from Python the overhead of each is
a quarter of the kernel's work in it. Here all of them are submitted at once, each prepared in a
slot that names its socket; all share one buffer. Every send is tried once and complete when the
call returns: nothing runs asynchronously, and no memory is shared with a kernel thread, so plain
stores and loads are enough.

The layout is that of <linux/io_uring.h>; io_uring_setup(2) and io_uring_enter(2) document the rest.
"""

import ctypes
import errno
import mmap
import os
import struct
import sys
from array import array
from typing import Final

CAPACITY: Final = 64 * 1024
"""The most bytes of one send."""
ENTRIES: Final = 1024
"""The most sends in one system call."""

_SETUP, _ENTER = 425, 426
_SINGLE_ISSUER, _DEFER_TASKRUN = 1 << 12, 1 << 13
_GETEVENTS = 1
_SUBMISSIONS_OFFSET = 0x10000000
_SEND_FLAGS = 0x40 | 0x4000  # MSG_DONTWAIT, MSG_NOSIGNAL
# struct io_uring_sqe: opcode, flags, ioprio, fd, offset, address, length, msg_flags, user_data
_SLOT = struct.Struct("<BBHiQQIIQ24x")
_SLOT_BYTES = _SLOT.size
_SLOT_WORDS = _SLOT_BYTES // 4
_LENGTH_WORD = 6
_FLAGS, _FLAGS_AT = struct.Struct("<I"), 28
_PLACE, _PLACE_AT = struct.Struct("<Q"), 32
_SEND, _SKIP = 26, 0  # IORING_OP_SEND, IORING_OP_NOP: the first byte of a slot
# struct io_uring_params: two sizes, five words, three reserved; then the offsets of both rings.
_PARAMS = struct.Struct("<30I")


class Ring:
    """The two queues: submissions go in, and the number of bytes that each sent comes out."""

    def __init__(self) -> None:
        """Raises OSError if the system has no io_uring or refuses it."""
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "only Linux has it")
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._syscall.argtypes = (ctypes.c_long,) * 3 + (ctypes.c_void_p,) * 4
        params = ctypes.create_string_buffer(_PARAMS.size)
        _PARAMS.pack_into(params, 0, 0, 0, _SINGLE_ISSUER | _DEFER_TASKRUN, *[0] * 27)
        self._fd = self._call(_SETUP, ENTRIES, ctypes.addressof(params), 0, 0, 0, 0)
        words = _PARAMS.unpack(params)
        sq_head, sq_tail, *_, sq_array = words[10:17]
        cq_head, cq_tail, *_, cqes = words[20:26]
        self._results = words[1]
        size = max(sq_array + 4 * ENTRIES, cqes + 16 * self._results)
        self._rings = mmap.mmap(self._fd, size)
        self._submissions = mmap.mmap(self._fd, _SLOT_BYTES * ENTRIES, offset=_SUBMISSIONS_OFFSET)
        self._words = memoryview(self._rings).cast("I")
        self._sq_head, self._sq_tail = sq_head // 4, sq_tail // 4
        self._cq_head, self._cq_tail = cq_head // 4, cq_tail // 4
        self._cqes = cqes
        for place in range(ENTRIES):
            self._words[sq_array // 4 + place] = place
        self._buffer = ctypes.create_string_buffer(CAPACITY)
        self._payload = memoryview(self._buffer).cast("B")
        self.address = ctypes.addressof(self._buffer)
        """The address of the buffer that is sent."""
        self._failure: OSError | None = None

    def close(self) -> None:
        """Release the ring."""
        self._words.release()
        self._rings.close()
        self._submissions.close()
        os.close(self._fd)

    def check(self) -> None:
        """Raise the ring's error: it is unknown then who was sent what, so nothing more is sent."""
        if self._failure is not None:
            raise self._failure

    def send(self, slots: bytearray, data: bytes) -> list[tuple[int, int]]:
        """Copy `data` into the buffer, and let the kernel process the slots.

        Raises OSError if the ring itself fails, and from then on.
        """
        self.check()
        size = len(data)
        self._payload[:size] = data
        if len(slots) <= _SLOT_BYTES * ENTRIES:
            return self._submit(slots, size)
        short: list[tuple[int, int]] = []
        for start in range(0, len(slots), _SLOT_BYTES * ENTRIES):
            short += self._submit(slots[start : start + _SLOT_BYTES * ENTRIES], size)
        return short

    def _submit(self, slots: bytearray, size: int) -> list[tuple[int, int]]:
        words, length = self._words, len(slots)
        count = length // _SLOT_BYTES
        tail = words[self._sq_tail]
        # Both queues are circular: what does not fit before the end goes to the beginning.
        first = tail % ENTRIES * _SLOT_BYTES
        before_end = _SLOT_BYTES * ENTRIES - first
        if length <= before_end:
            self._submissions[first : first + length] = slots
        else:
            self._submissions[first:] = slots[:before_end]
            self._submissions[: length - before_end] = slots[before_end:]
        words[self._sq_tail] = tail = (tail + count) % (1 << 32)
        head = words[self._cq_head]
        while (words[self._cq_tail] - head) % (1 << 32) < count:
            waiting = (tail - words[self._sq_head]) % (1 << 32)
            try:
                self._call(_ENTER, self._fd, waiting, count, _GETEVENTS, 0, 0)
            except OSError as error:
                self._failure = error
                raise
        short = self._short(head % self._results, count, size)
        words[self._cq_head] = (head + count) % (1 << 32)
        return short

    def _short(self, first: int, count: int, size: int) -> list[tuple[int, int]]:
        """The place and the result of each send of less than `size` bytes."""
        short: list[tuple[int, int]] = []
        while count:
            part = min(count, self._results - first)
            # struct io_uring_cqe: user_data in two words, the result, flags
            start = self._cqes // 4 + 4 * first
            results = self._words[start + 2 : start + 4 * part : 4].tolist()
            if results.count(size) < part:
                places = self._words[start : start + 4 * part : 4].tolist()
                short += [
                    # A result above 2^31 is a negative one, an error: then nothing was sent.
                    (place, result if result < 1 << 31 else 0)
                    for place, result in zip(places, results, strict=True)
                    if result != size
                ]
            first, count = 0, count - part
        return short

    def _call(self, number: int, *arguments: int) -> int:
        while (result := int(self._syscall(number, *arguments))) < 0:
            if (code := ctypes.get_errno()) != errno.EINTR:
                raise OSError(code, f"io_uring: {os.strerror(code)}")
        return result


class Slots:
    """The submissions for a group of sockets, in the order of their places: 0, 1, 2 and so on.

    They hold the number of bytes to send, so they are rewritten only when that changes.
    """

    __slots__ = ("_data", "_ring", "_size")

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._data = bytearray()
        self._size = 0

    def __len__(self) -> int:
        return len(self._data) // _SLOT_BYTES

    def add(self, descriptor: int) -> None:
        """Append a send to the socket `descriptor`."""
        self._data += _SLOT.pack(
            _SEND, 0, 0, descriptor, 0, self._ring.address, self._size, _SEND_FLAGS, len(self)
        )

    def remove(self, place: int) -> None:
        """Remove one; the last takes its place."""
        begin, last = place * _SLOT_BYTES, len(self._data) - _SLOT_BYTES
        self._data[begin : begin + _SLOT_BYTES] = self._data[last:]
        _PLACE.pack_into(self._data, begin + _PLACE_AT, place)
        del self._data[last:]

    def skip(self, place: int) -> None:
        """Send nothing there until `resume`."""
        self._set(place, _SKIP, 0)  # an unknown flag would end the system call here

    def resume(self, place: int) -> None:
        """Send there again."""
        self._set(place, _SEND, _SEND_FLAGS)

    def _set(self, place: int, operation: int, flags: int) -> None:
        begin = place * _SLOT_BYTES
        self._data[begin] = operation
        _FLAGS.pack_into(self._data, begin + _FLAGS_AT, flags)

    def send(self, data: bytes) -> list[tuple[int, int]]:
        """Send `data`, at most CAPACITY bytes, to all, in the order of their places.

        Returns the place of each that did not send all of it, with the number of bytes it sent.
        """
        size = len(data)
        if size != self._size:
            self._size = size
            with memoryview(self._data) as view, view.cast("I") as words:
                words[_LENGTH_WORD::_SLOT_WORDS] = array("I", [size]) * len(self)
        return self._ring.send(self._data, data)
