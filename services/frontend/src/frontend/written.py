"""What people write into the form: numbers, minutes and planned holds.

`static/written.js` reads the same, and both are tested by the same cases.
"""

import re

_NUMBER = re.compile(
    r"(?=\d)(?:(\d+)\s*d(?:$|\s+(?=\d+:\d+:)))?"
    r"(?:(?:(\d+):(?=[0-5]\d:))?(\d+):(?=[0-5]\d$))?(\d+)?",
    re.ASCII,
)
_HOLD = re.compile(r"(.+?)(?:\s+for\s+(.+))?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}", re.ASCII)


def number(text: str) -> int:
    """A whole number, also as the time that so many seconds are: 5400, 1:30:00, 99d, 99d 4:00:00.

    Raises ValueError.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def lead_ms(minutes: str) -> int:
    """Minutes from now in milliseconds, with a decimal point or comma, or a comma between thousands
    as in 1,440; or a time, as in 99d or 1:30:00. Raises ValueError or OverflowError."""
    if re.search("[:d]", minutes):
        return number(minutes) * 1000
    is_thousands = _THOUSANDS.fullmatch(minutes.strip())
    return int(float(minutes.replace(",", "" if is_thousands else ".")) * 60_000)


def holds(text: str) -> list[dict[str, int]]:
    """Planned holds, each a number and perhaps for how many seconds: `60 for 600, 4`.

    Raises ValueError naming the one that can't be read.
    """
    return [_hold(part.strip()) for part in text.split(",") if part.strip()]


def _hold(text: str) -> dict[str, int]:
    found = _HOLD.fullmatch(text)
    try:
        at, length = found.groups() if found else (text, None)
        return {"at": number(at)} | ({"for_ms": 1000 * number(length)} if length else {})
    except ValueError:
        words = "should be a number, as in 60, or one for so many seconds, as in 60 for 600"
        raise ValueError(f"holds: “{text}” {words}") from None
