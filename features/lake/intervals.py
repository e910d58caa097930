"""Half-open intervals of UTC microseconds: joined, and cut out of one another."""

from collections.abc import Iterable, Sequence

Interval = tuple[int, int]
"""``(from, to)``: ``from`` belongs to it, ``to`` does not."""


def merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same instants as disjoint, rising intervals; raises `ValueError` for one that ends before it begins.

    >>> merged([(5, 7), (0, 2), (2, 3)])
    ((0, 3), (5, 7))
    """
    out: list[Interval] = []
    for low, high in sorted(intervals):
        if low > high:
            raise ValueError(f"the interval ({low}, {high}) ends before it begins")
        if out and low <= out[-1][1]:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        elif low < high:
            out.append((low, high))
    return tuple(out)


def less(intervals: Sequence[Interval], gaps: Iterable[Interval]) -> tuple[Interval, ...]:
    """The instants of disjoint intervals that lie in none of the gaps.

    >>> less([(0, 10)], [(2, 3), (8, 20)])
    ((0, 2), (3, 8))
    """
    left = list(intervals)
    for low, high in merged(gaps):
        left = [part for a, b in left for part in ((a, min(b, low)), (max(a, high), b)) if part[0] < part[1]]
    return tuple(left)
