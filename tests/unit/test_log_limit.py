"""Lines of the log that anybody can cause: how many, and how long."""

import json
import logging
import subprocess
import sys

from runtime.log_limit import CHARACTERS, LINES, SECONDS, LineLimit

PROGRAM = """
import logging
from runtime import logs
from runtime.settings import Settings

logs.configure(Settings(port=0, log_format="json", instance="i"), "test")
log = logs.logger("ours")
for number in range(100):
    log.warning("dropped", reason="r" * 10_000, number=number)
for number in range(100):
    logging.getLogger("theirs").warning("%s is %d", "t" * 10_000, number)
try:
    raise ValueError("e" * 700)
except ValueError:
    log.exception("a request failed")
log.info("another place")
"""


def test_one_place_logs_so_many_lines_and_then_how_many_it_did_not() -> None:
    now = 0.0
    limit = LineLimit(lambda: now)

    def suppressed(line: int) -> int | None:
        """How many, before this one; None if it is one of them."""
        record = logging.LogRecord("a", logging.WARNING, "a.py", line, f"{line}", (), None)
        return getattr(record, "suppressed", 0) if limit.filter(record) else None

    assert [suppressed(1) for _ in range(LINES + 2)] == [0] * LINES + [None] * 2
    assert suppressed(2) == 0
    now = SECONDS
    assert [suppressed(1) for _ in range(LINES + 1)] == [2] + [0] * (LINES - 1) + [None]


def test_lines_of_whatever_logger_are_bounded_in_number_and_length() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    dropped = [line for line in lines if line["event"] == "dropped"]
    assert [line["number"] for line in dropped] == list(range(LINES))
    assert {line["reason"] for line in dropped} == {"r" * CHARACTERS + "…"}
    assert [line["event"] for line in lines[LINES:-2]] == ["t" * CHARACTERS + "…"] * LINES
    assert "e" * 700 in lines[-2]["exception"]
    assert lines[-1]["event"] == "another place"
