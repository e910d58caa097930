"""The token bucket, against one written down token by token, and at its edges."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from serving.access.rate import SECOND, Rate


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def allowed(rate: int, burst: int, gaps: list[int]) -> list[bool]:
    """A bucket that holds at most ``burst`` tokens and gets ``rate`` a second; ``gaps``: milliseconds."""
    tokens, told = Fraction(burst), []
    for gap in gaps:
        tokens = min(Fraction(burst), tokens + Fraction(gap * rate, 1000))
        told.append(tokens >= 1)
        tokens -= told[-1]
    return told


@given(st.integers(1, 50), st.integers(1, 20), st.lists(st.integers(0, 400), max_size=60))
def test_it_lets_through_what_a_bucket_of_tokens_would(rate: int, burst: int, gaps: list[int]) -> None:
    clock = Clock()
    limited, let, since = Rate(rate, burst, clock), [], 0
    for gap in gaps:
        since += gap
        clock.now = since * 1_000_000
        let.append(limited.wait("crm") == 0)
    assert let == allowed(rate, burst, gaps)


@given(st.floats(0.01, 1000), st.integers(1, 50), st.integers(0, 10**17))
def test_who_waits_as_long_as_told_is_let_through_once(rate: float, burst: int, start: int) -> None:
    clock = Clock()
    clock.now = start
    limited = Rate(rate, burst, clock)
    assert [limited.wait("crm") for _ in range(burst)] == [0.0] * burst
    wait = limited.wait("crm")
    assert 0 < wait <= 1 / rate
    clock.now += round(wait * SECOND)
    assert limited.wait("crm") == 0


def test_clients_do_not_share_a_bucket() -> None:
    limited = Rate(1, 1, Clock())
    assert [limited.wait("crm") == 0 for _ in range(2)] == [True, False]
    assert limited.wait("web") == 0


def test_without_a_rate_nobody_waits() -> None:
    limited = Rate(0, 1, Clock())
    assert {limited.wait("crm") for _ in range(1000)} == {0.0}
