"""Links: what a key of the deployment has signed is read, everything else is refused by name."""

import base64
import json

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from frontend import rights
from frontend.rights import Link, LinkError

NOW = 1_795_454_151.0
OLD, NEW = "o" * 32, "n" * 32
KEYS = rights.parse(f"new:{NEW}, old:{OLD}")
LINK = Link("quiz", "say", int(NOW) + 60)


def reason(token: str, now: float = NOW, keys: rights.Keys = KEYS) -> str:
    with pytest.raises(LinkError) as refused:
        keys.read(token, now)
    return refused.value.reason


def part(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def signed(claims: object, kid: object = "new", secret: str = NEW, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm, headers={"kid": kid})  # type: ignore[arg-type]


def test_what_is_signed_is_read() -> None:
    assert KEYS.read(KEYS.sign(LINK), NOW) == LINK


def test_the_first_key_signs_and_each_verifies() -> None:
    assert jwt.get_unverified_header(KEYS.sign(LINK))["kid"] == "new"
    before = rights.parse(f"old:{OLD}").sign(LINK)
    assert KEYS.read(before, NOW) == LINK
    assert reason(before, keys=rights.parse(f"new:{NEW}")) == "key"


def test_a_link_ends_to_the_second() -> None:
    token = KEYS.sign(LINK)
    assert KEYS.read(token, LINK.exp - 0.001) == LINK
    with pytest.raises(LinkError) as refused:
        KEYS.read(token, LINK.exp)
    assert refused.value.reason == "expired"
    assert str(refused.value) == "This link ended on 23 November 2026 at 17:16:51 UTC."


CLAIMS = {"room": "quiz", "right": "control", "exp": int(NOW) + 60}
UNSIGNED = f"{part({'alg': 'none', 'kid': 'new'})}.{part(CLAIMS)}."


@pytest.mark.parametrize(
    "token",
    [
        UNSIGNED,
        UNSIGNED.replace(".", f".{part('')}", 1) + part("signature"),
        signed(CLAIMS, secret="x" * 32),
        signed(CLAIMS, kid="old"),
        signed(CLAIMS, kid="none"),
        jwt.encode(CLAIMS, NEW, "HS256"),
        signed(CLAIMS, secret=NEW * 2, algorithm="HS512"),
        signed(CLAIMS, algorithm="HS384", secret=NEW * 2),
    ],
)
def test_what_no_key_of_ours_signed_with_hs256_is_refused(token: str) -> None:
    assert reason(token) == "key"


def test_another_algorithm_with_our_own_key_is_refused() -> None:
    long = "l" * 64
    token = signed(CLAIMS, kid="long", secret=long, algorithm="HS512")
    assert reason(token, keys=rights.parse(f"long:{long}")) == "key"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"room": "quiz", "right": "control"},
        {"room": "quiz", "right": "own", "exp": int(NOW) + 60},
        {"room": "quiz", "right": "control", "exp": True},
        {"room": 5, "right": "control", "exp": int(NOW) + 60},
        CLAIMS | {"nbf": 99_999_999_999},
        CLAIMS | {"more": "x" * rights.MAX_LENGTH},
    ],
)
def test_claims_that_are_others_are_refused(claims: dict[str, object]) -> None:
    assert reason(signed(claims)) == "malformed"


@given(st.text() | st.binary().map(lambda some: f"{part(some.hex())}.{part(some.hex())}.x"))
@example("")
@example("..")
@example("\udcff.\udcff.\udcff")
@example(f"{part('[' * 764)}.e.e")
@example(f"{part({'alg': 'HS256', 'kid': ['new']})}.e30.e30")
@example(f"{part({'alg': 'HS256', 'kid': 'new', 'crit': 5})}.e30.e30")
def test_any_text_is_refused_and_raises_nothing_else(token: str) -> None:
    assert reason(token) in ("malformed", "key")


def test_a_link_that_was_cut_off_is_refused() -> None:
    token = KEYS.sign(LINK)
    for length in range(len(token)):
        assert reason(token[:length]) in ("malformed", "key")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("secret", "key 1 is not id:secret"),
        (f"a:{NEW},", "key 2 is not id:secret"),
        (f"a b:{NEW}", "key 1 is not id:secret"),
        (f"{'k' * 33}:{NEW}", "key 1 is not id:secret"),
        (f"a:{NEW[1:]}", "the secret of the key a has 31 characters, and 32 are needed"),
        (f"a:{NEW},a:{OLD}", "there are two keys a"),
    ],
)
def test_keys_that_are_not_valid_are_named_without_their_secret(keys: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        rights.parse(keys)


def test_another_token_derives_another_key() -> None:
    token = rights.derived("open sesame").sign(LINK)
    assert rights.derived("open sesame").read(token, NOW) == LINK
    assert reason(token, keys=rights.derived("open sesam")) == "key"
