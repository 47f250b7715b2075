"""What an auditor can find wrong with an event."""

from typing import Literal, get_args

from msgspec import Struct

Kind = Literal["duplicate", "out_of_order", "after_end", "early", "terms"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Violation(Struct, frozen=True):
    """A rule that an event breaks.

    - `duplicate`: a tick, a change or a start is there twice.
    - `out_of_order`: a number is missing, or comes where another one follows.
    - `after_end`: the run was over, by a cancel or at zero.
    - `early`: it was stored before it was due.
    - `terms`: it says something else than what follows from the event before it.
    """

    kind: Kind
    what: str
    missing: int = 0
    """How many ticks are not there."""
    needs_previous: bool = True
    """Whether it follows only from the event before, so that none may be missing between them."""
