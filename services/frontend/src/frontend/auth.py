"""Access control: pages of other sites may change nothing, and a right for a room may be needed."""

import hmac
import time

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct
from prometheus_client import Counter

from runtime.metrics import from_zero
from runtime.origins import ORIGINS

from .problem import Problem
from .rights import Keys, Link, LinkError, Right
from .settings import Settings

_SAFE = {"GET", "HEAD", "OPTIONS"}
_ANYBODY = Right.WATCH
_INSUFFICIENT = {"room", "right"}
"""The reasons for which another link is needed, not a good one (RFC 6750, 3.1)."""

_refused = from_zero(
    Counter(
        "tminus_rights_refused_total",
        "Requests without the right that they need, by reason.",
        ["reason"],
    ),
    *("missing", "token", "expired", "key", "malformed", "room", "right"),
)


class Credentials:
    """The control token, and the keys of links; there are none if anybody may control."""

    def __init__(self, settings: Settings) -> None:
        self.renew(settings)

    def renew(self, settings: Settings) -> None:
        """Use these from now on."""
        self.token = settings.control_token
        self.keys = settings.link_signers()


CREDENTIALS = web.AppKey("credentials", Credentials)
LINK = web.RequestKey("link", str)
"""The links beside those in the address, separated by spaces: a form's, or new ones."""
_READ = web.RequestKey("read", dict[str, Link | LinkError])


class Access(Struct, frozen=True):
    """What a request may do in a room: its right, the link that gives it, if one does, and why one
    that was given gives nothing."""

    right: Right
    link: str = ""
    refusal: LinkError | None = None


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that a page of another site sends from its visitor's browser."""
    if request.method not in _SAFE and not _is_welcome(request):
        raise Problem(403, "Pages of other sites may not control this one.")
    return await handler(request)


def require(request: web.Request, room: str, right: Right) -> None:
    """Refuse a request without this right for the room; raises Problem."""
    found = access(request, room)
    if found.right < right:
        raise refused(found.refusal or _too_little(found, right))


def access(request: web.Request, room: str) -> Access:
    """What the request may do in the room: by the control token, or by the best of its links."""
    keys, given = request.app[CREDENTIALS].keys, bearer(request)
    if keys is None or (given and is_token(request, given)):
        return Access(Right.CONTROL)
    if given and given.count(".") != 2:
        # What has not the form of a link was meant to be the token.
        return Access(_ANYBODY, refusal=_not_the_token())
    best = Access(_ANYBODY)
    for link in [given] if given else links(request):
        try:
            right = _right(_read(request, keys, link), room)
        except LinkError as refusal:
            is_expected = best.refusal is not None and refusal.reason == "room"
            if not (best.link or is_expected):
                best = Access(_ANYBODY, refusal=refusal)
        else:
            if not best.link or right > best.right:
                best = Access(right, link)
    return best


def links(request: web.Request) -> list[str]:
    """The links of a page: those in its address, and its form's."""
    return [*request.query.getall("link", []), *request.get(LINK, "").split()]


def keys(request: web.Request) -> Keys:
    """The keys to sign links with; raises Problem if anybody may control."""
    keys = request.app[CREDENTIALS].keys
    if keys is None:
        raise Problem(404, "There are no links here: anybody may control the rooms.")
    return keys


def require_token(request: web.Request, given: str) -> None:
    """Refuse who has not the control token itself: only they hand on rights. Raises Problem."""
    if not given:
        raise refused(LinkError("missing", "This needs the control token."))
    if not is_token(request, given):
        raise refused(_not_the_token())


def is_token(request: web.Request, given: str) -> bool:
    """Whether it is the control token, compared in constant time."""
    # A header may hold bytes that are not UTF-8.
    token = request.app[CREDENTIALS].token.encode()
    return hmac.compare_digest(token, given.encode(errors="surrogatepass"))


def bearer(request: web.Request) -> str:
    """The token of the Authorization header; empty if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def refused(refusal: LinkError) -> Problem:
    """The problem of a refusal, which is counted by its reason."""
    _refused.labels(refusal.reason).inc()
    field = "token" if refusal.reason in ("missing", "token") else "link"
    if refusal.reason == "missing":
        return Problem(401, f"{refusal}", field, challenge="Bearer")
    if refusal.reason in _INSUFFICIENT:
        return Problem(403, f"{refusal}", field, challenge='Bearer error="insufficient_scope"')
    return Problem(401, f"{refusal}", field, challenge='Bearer error="invalid_token"')


def _read(request: web.Request, keys: Keys, given: str) -> Link:
    """What a link says: verified once a request, however many rooms are asked about."""
    read: dict[str, Link | LinkError] = request.setdefault(_READ, {})
    if given not in read:
        try:
            read[given] = keys.read(given, time.time())
        except LinkError as refusal:
            read[given] = refusal
    found = read[given]
    if isinstance(found, LinkError):
        raise found
    return found


def _right(link: Link, room: str) -> Right:
    if link.room != room:
        raise LinkError("room", f"This link is for another room, {link.room}.")
    return Right[link.right.upper()]


def _not_the_token() -> LinkError:
    return LinkError("token", "That is not the control token.")


def _too_little(found: Access, right: Right) -> LinkError:
    if found.link:
        words = f"This link lets you {found.right.name.lower()}, not {right.name.lower()}."
        return LinkError("right", words)
    doing = "Controlling" if right is Right.CONTROL else "Sending to"
    return LinkError(
        "missing", f"{doing} this room needs the control token, or a link that lets you."
    )


def _is_welcome(request: web.Request) -> bool:
    if "Origin" not in request.headers:
        # Every current browser sends Origin with a POST; older ones may send only this header.
        return request.headers.get("Sec-Fetch-Site") != "cross-site"
    return request.app[ORIGINS].admit(request)
