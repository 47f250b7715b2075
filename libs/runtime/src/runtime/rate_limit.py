"""Rate limits: a token bucket, and one for each address beside one for all."""

from typing import Final

BURST_SECONDS: Final = 10
"""An address may take at once what it may take in so many seconds."""
MANY_ADDRESSES: Final = 10_000


class TokenBucket:
    """So many tokens a second on average, and `burst` at once.

    It has no clock of its own: `now` is in milliseconds by any clock, always the same one.
    """

    __slots__ = ("_at", "_burst", "_tokens", "_tokens_a_ms", "is_spent")

    def __init__(self, tokens_a_second: float, burst: float) -> None:
        self._tokens_a_ms = tokens_a_second / 1000
        self._burst = burst
        self._tokens = float(burst)
        self._at = 0.0
        self.is_spent = False
        """Whether the last attempt to take some was over the limit."""

    def take(self, tokens: float, now: float) -> bool:
        """Take so many tokens; returns whether there were enough."""
        self.is_spent = self.wait_ms(tokens, now) > 0
        if not self.is_spent:
            self._tokens -= tokens
        return not self.is_spent

    def wait_ms(self, tokens: float, now: float) -> float:
        """How long until there are so many tokens; 0 if there are."""
        self._fill(now)
        return max(0.0, tokens - self._tokens) / self._tokens_a_ms

    def is_full(self, now: float) -> bool:
        """Whether it is as full as a new one, so that it can be dropped."""
        self._fill(now)
        return self._tokens >= self._burst

    def _fill(self, now: float) -> None:
        passed_ms = max(0.0, now - self._at)
        self._tokens = min(self._burst, self._tokens + passed_ms * self._tokens_a_ms)
        self._at = now  # also where the clock was set back: from then on it goes on


class RateLimit:
    """Requests a second: one limit for each address, and one for all together."""

    def __init__(self, per_address: float, in_all: float) -> None:
        self._per_address = per_address
        self._all = TokenBucket(in_all, in_all * BURST_SECONDS)
        self._addresses: dict[str, TokenBucket] = {}

    def take(self, address: str, now: float, tokens: int = 1) -> tuple[str, float] | None:
        """Take a request's tokens; or returns whose limit it is over, and how long to wait, in ms.

        What is refused takes nothing, so one address can't spend what is for all.
        """
        bucket = self._bucket(address, now)
        if (wait_ms := bucket.wait_ms(tokens, now)) > 0:
            return "address", wait_ms
        if (wait_ms := self._all.wait_ms(tokens, now)) > 0:
            return "all", wait_ms
        bucket.take(tokens, now)
        self._all.take(tokens, now)
        return None

    def __len__(self) -> int:
        """How many addresses are in memory."""
        return len(self._addresses)

    def _bucket(self, address: str, now: float) -> TokenBucket:
        bucket = self._addresses.get(address)
        if bucket is None:
            if len(self._addresses) >= MANY_ADDRESSES:
                self._make_place(now)
            bucket = TokenBucket(self._per_address, self._per_address * BURST_SECONDS)
            self._addresses[address] = bucket
        return bucket

    def _make_place(self, now: float) -> None:
        kept = {
            address: bucket
            for address, bucket in self._addresses.items()
            if not bucket.is_full(now)
        }
        # Whoever comes from so many addresses is held by the limit for all.
        self._addresses = kept if len(kept) <= MANY_ADDRESSES // 2 else {}
