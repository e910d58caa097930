"""Telephone numbers: the plan they come from, how people write them, and how they get them wrong.

A number is one integer: its place in the plan, and above `_STYLE` how it is written.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.simulator.feeds.scramble import restored, shuffled

NUMBERS = 10_000_000
"""How many numbers each range holds."""

OWN, PORTED, FIXED = range(3)
"""The operator's mobile range, a rival's, and that of fixed lines."""

_RANGES = ("47", "48", "2")
_STYLE = 32
_PLACE = (1 << _STYLE) - 1
PLAIN, SPACED, DOUBLE_ZERO, SLASHED, NATIONAL = range(5)


def number(kind: int, sequence: np.ndarray) -> np.ndarray:
    """(n,) the numbers of a range, in the order in which they are given out; raises `ValueError` when it is used up."""
    if sequence.max(initial=0) >= NUMBERS:
        raise ValueError(
            f"the numbering plan holds {NUMBERS:,} numbers and they are used up: fewer customers or months"
        )
    return kind * NUMBERS + sequence


def written(numbers: np.ndarray, style: np.ndarray) -> np.ndarray:
    """(n,) the same numbers, written in these styles."""
    return (numbers & _PLACE) | (style.astype(np.int64) << _STYLE)


def is_own(numbers: np.ndarray) -> np.ndarray:
    """(n,) whether each is of the operator's mobile range."""
    return (numbers >= 0) & ((numbers & _PLACE) // NUMBERS == OWN)


def mistyped(numbers: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(n,) the same numbers with one digit wrong: numbers nobody has. ``u`` (n,) in (0, 1) says which digit."""
    if not len(numbers):
        return numbers
    kind, place = np.divmod(numbers & _PLACE, NUMBERS)
    digits = shuffled(place, 10_000, 1_000, "numbers")[:, None]
    turns = ((u * 63).astype(np.int64)[:, None] + 17 * np.arange(12)) % 63
    unit, step = 10 ** (turns // 9), turns % 9 + 1
    digit = digits // unit % 10
    wrong = (digits + ((digit + step) % 10 - digit) * unit).ravel()
    # The last of the plan is not given out in any run of bearable length.
    last = restored(wrong, 10_000, 1_000, "numbers").reshape(turns.shape).max(axis=1)
    return kind * NUMBERS + last


def spelled(numbers: np.ndarray) -> pa.Array:
    """(n,) string: the numbers as they stand in a feed."""
    style, place = numbers >> _STYLE, numbers & _PLACE
    kind, sequence = np.divmod(place, NUMBERS)
    digits = shuffled(sequence, 10_000, 1_000, "numbers")
    national = pc.binary_join_element_wise(
        pa.array(_RANGES).take(pa.array(kind)), pc.utf8_lpad(pc.cast(pa.array(digits), pa.string()), 7, padding="0"), ""
    )
    return pc.choose(pa.array(style), *(form(national) for form in _FORMS))


def _plain(national: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar("+32"), national, "")


def _spaced(national: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(national, r"^(\d+)(\d{2})(\d{2})(\d{2})$", r"+32 \1 \2 \3 \4")


def _double_zero(national: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar("0032"), national, "")


def _slashed(national: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(national, r"^(\d+)(\d{2})(\d{2})(\d{2})$", r"+32 (0)\1/\2.\3.\4")


def _national(national: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(national, r"^(\d+)(\d{2})(\d{2})(\d{2})$", r"0\1 \2 \3 \4")


_FORMS = (_plain, _spaced, _double_zero, _slashed, _national)
