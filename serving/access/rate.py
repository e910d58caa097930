"""How often one client may ask: a token bucket for each."""

import time
from collections.abc import Callable

SECOND = 1_000_000_000


class Rate:
    """At most ``burst`` requests at once and ``rate`` a second in the long run, for each client; ``rate`` 0: no limit.

    A bucket of tokens is kept as one number, the instant at which it will be full (the generic cell rate algorithm,
    ITU-T I.371): a request is let through if taking its token leaves the bucket full within ``burst / rate`` seconds.
    In whole nanoseconds, so that sums are exact. For one thread: the event loop's. ``clock``: nanoseconds that never
    go back.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._interval = int(SECOND / rate) if rate else 0
        self._room = burst * self._interval
        self._clock = clock
        self._full_at: dict[str, int] = {}

    def wait(self, client: str) -> float:
        """Seconds until the client may ask again; 0 when it may now, and then the request is counted."""
        if not self._interval:
            return 0.0
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now) + self._interval
        over = full_at - now - self._room
        if over > 0:
            return over / SECOND
        self._full_at[client] = full_at
        return 0.0
