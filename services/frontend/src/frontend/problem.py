"""Why a request failed: one error, answered as problem details or as a page."""

import re
from collections.abc import Mapping

from msgspec import Raw

_MISSING = re.compile(r"Object missing required field `(\w+)`")
_WANTED = {
    "from": "a whole number from 1 to 8,640,000, or in the form a time, as in 1:30:00 or 99d",
    "interval_ms": "whole milliseconds from 100 to 60,000",
    "starts_at": "a time from now to 100 days ahead, in milliseconds since 1970",
    "minutes": "minutes from now, as in 90 or 1.5, or a time, as in 99d; 100 days at most",
    "text": "some text",
    "seconds": "whole seconds that leave the countdown 1 to 8,640,000 numbers",
    "after_zero": "stop or count",
    "to": "a whole number from 1 to 8,640,000, or in the form a time, as in 1:30:00",
    "warning": "a whole number from 0 to 8,640,000",
    "danger": "a whole number from 0 to 8,640,000",
    "holds": "16 numbers of the run at most, each held for 0.1 s to 7 days, or until it is resumed",
    "right": "watch, say or control",
    "hours": "more than 0, and 8,784 at most",
    "ends_at": "a time from now to 366 days ahead, in milliseconds since 1970",
    "run": "1 to 36 characters",
    "id": "1 to 36 visible ASCII characters",
}


class Problem(Exception):
    """A request that failed.

    `status` is the HTTP status; `detail` is for people; `field` is the invalid field; `event` is
    the event, as JSON, of a conflicting run; `retry_after` is in seconds; `challenge` is what
    WWW-Authenticate says (RFC 6750, 3).
    """

    def __init__(
        self,
        status: int,
        detail: str,
        field: str | None = None,
        event: Raw | None = None,
        retry_after: int = 1,
        challenge: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.event = event
        self.retry_after = retry_after
        self.challenge = challenge

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields that go with the status."""
        match self.status:
            case 401 | 403 if self.challenge:
                return {"WWW-Authenticate": self.challenge}
            case 429 | 503:
                return {"Retry-After": f"{self.retry_after}"}
            case _:
                return {}


def not_valid(reason: str) -> Problem:
    """The problem with a field; `reason` is `field: what is wrong`, in a program's words."""
    if missing := _MISSING.fullmatch(reason):
        reason = f"{missing[1]}: is missing"
    field, separator, words = reason.partition(":")
    if not separator:
        return Problem(422, reason)
    field = re.split(r"[.\[]", field)[0]
    if field == "holds" and not re.search("Expected|Object", words):
        # The one hold that is wrong is named already.
        return Problem(422, f"{reason.replace('`', '')}.", field=field)
    if wanted := _WANTED.get(field):
        return Problem(422, f"{field}: should be {wanted}.", field=field)
    return Problem(422, reason, field=field)
