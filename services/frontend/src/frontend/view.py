"""The display options in the address: the page, a stage or an overlay, and how it looks."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct


class View(Struct, frozen=True, kw_only=True):
    """How the room is shown."""

    name: Literal["room", "stage", "overlay"] = "room"
    stale: Literal["keep", "dim", "hide"] = "keep"
    """How an overlay shows a number that is only an estimate."""
    mirror: Literal["none", "h", "v"] = "none"
    scale: float = 1.0
    format: Literal["number", "clock"] = "number"
    """Whether numbers above 59 are shown as minutes and seconds."""


def view_of(query: Mapping[str, str]) -> View:
    """The view that an address asks for; unknown parameters and values are ignored.

    A typing error on a projector must not cost the audience its countdown.
    """
    asked = {"name" if key == "view" else key: value for key, value in query.items()}
    known: dict[str, object] = {}
    for field in msgspec.structs.fields(View):
        if field.name in asked:
            try:
                known[field.name] = msgspec.convert(asked[field.name], field.type, strict=False)
            except msgspec.ValidationError:
                continue
    scale = known.get("scale")
    if isinstance(scale, float) and not 0.1 <= scale <= 10:
        del known["scale"]
    return msgspec.convert(known, View)
