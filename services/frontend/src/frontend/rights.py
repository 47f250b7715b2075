"""Links that carry a right for a room: JSON Web Tokens, signed with a key of the deployment."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Final, Literal

import jwt
import msgspec
from msgspec import Meta, Struct

ALGORITHM: Final = "HS256"
MIN_SECRET: Final = 32
"""The fewest characters of a key's secret; HS256 needs 32 bytes (RFC 7518, 3.2)."""
MAX_LENGTH: Final = 1024
"""The most characters of a token that is read; ours have some 200. JSON in so few can't be nested
too deeply for Python."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


class Right(IntEnum):
    """What somebody may do in a room; each right includes those before it."""

    NONE = 0
    WATCH = 1
    SAY = 2
    CONTROL = 3


RightName = Literal["watch", "say", "control"]


class Link(Struct, frozen=True):
    """What a link says: a right for a room until `exp`, in seconds since the Unix epoch."""

    room: str
    right: RightName
    exp: Annotated[int, Meta(ge=0)]


class LinkError(ValueError):
    """A link is refused: the text says why, and `reason` says it in a word."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


class Keys:
    """The secrets of a deployment by the ids of their keys: the first signs, all verify."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._id = next(iter(secrets))

    def sign(self, link: Link) -> str:
        """The link as a token."""
        claims = msgspec.to_builtins(link)
        return jwt.encode(claims, self._secrets[self._id], ALGORITHM, headers={"kid": self._id})

    def read(self, token: str, now: float) -> Link:
        """What a token says; `now` is in seconds since the Unix epoch. Raises LinkError."""
        if len(token) > MAX_LENGTH:
            raise _not_readable()
        try:
            secret = self._secrets.get(jwt.get_unverified_header(token).get("kid", ""))
            if secret is None:
                raise _not_ours()
            # PyJWT would compare the end with its own clock.
            claims = jwt.decode(token, secret, [ALGORITHM], options={"verify_exp": False})
            link = msgspec.convert(claims, Link)
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            raise _not_ours() from None
        except (jwt.PyJWTError, msgspec.ValidationError, UnicodeError):
            raise _not_readable() from None
        if now >= link.exp:
            end = datetime.fromtimestamp(link.exp, UTC)
            when = f"{end.day} {end:%B %Y at %H:%M:%S} UTC"
            raise LinkError("expired", f"This link ended on {when}.")
        return link


def parse(keys: str) -> Keys:
    """The keys of `id:secret,…`; raises ValueError, whose text holds no secret."""
    secrets: dict[str, str] = {}
    for number, key in enumerate(keys.split(","), start=1):
        id, separator, secret = key.strip().partition(":")
        if not (separator and _ID.fullmatch(id)):
            raise ValueError(f"key {number} is not id:secret")
        if len(secret) < MIN_SECRET:
            words = f"has {len(secret)} characters, and {MIN_SECRET} are needed"
            raise ValueError(f"the secret of the key {id} {words}")
        if id in secrets:
            raise ValueError(f"there are two keys {id}")
        secrets[id] = secret
    return Keys(secrets)


def derived(token: str) -> Keys:
    """A key derived from another secret, which takes a twentieth of a second: whoever has a link
    can try out secrets, and each costs as much."""
    secret = hashlib.scrypt(token.encode(), salt=b"tminus links", n=2**14, r=8, p=1, dklen=32)
    return Keys({"token": secret.hex()})


def _not_ours() -> LinkError:
    return LinkError("key", "This link was not signed by a key of this deployment.")


def _not_readable() -> LinkError:
    return LinkError("malformed", "This link can't be read: a part of it may be missing.")
