"""E-mail addresses: made of a name and a number, and how people write them and get them wrong.

An address is one integer: which number, first name, last name and domain, how it is written and what is wrong with it.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.simulator.feeds.scramble import shuffled

FIRST_NAMES = tuple(
    start + end
    for start in ("Al", "Be", "Co", "Da", "El", "Fi", "Ga", "Jo", "Ka", "Li", "Ma", "No")
    for end in ("lina", "ron", "vira", "mas", "nette", "dric", "lea", "rius", "sandra", "tje")
)
LAST_NAMES = tuple(
    start + end
    for start in ("Brand", "Dael", "Ester", "Groot", "Holl", "Kamer", "Linden", "Meul", "Noor", "Oost", "Peet", "Zand")
    for end in ("aert", "beek", "dorp", "ers", "gem", "hoven", "inck", "mans", "mont", "ria", "son", "stra", "voort")
)
DOMAINS = ("mail.example", "post.example", "inbox.example", "home.example")

PLAIN, CAPITALS = range(2)
RIGHT, LETTER_TWICE, LETTER_LOST, WRONG_DOMAIN = range(4)
_FIRST, _LAST, _DOMAIN, _STYLE, _SLIP = 32, 40, 48, 50, 52
_ADDRESS = (1 << _STYLE) - 1
_SIZE = (10_000, 1_000)


def address(sequence: np.ndarray, first: np.ndarray, last: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """(n,) addresses, no two the same while ``sequence`` differs; raises `ValueError` when they are used up."""
    if sequence.max(initial=0) >= _SIZE[0] * _SIZE[1]:
        raise ValueError(f"there are {_SIZE[0] * _SIZE[1]:,} e-mail addresses: fewer customers or months")
    return sequence | first << _FIRST | last << _LAST | domain << _DOMAIN


def written(addresses: np.ndarray, style: np.ndarray) -> np.ndarray:
    """(n,) the same addresses, written in these styles."""
    return addresses | style.astype(np.int64) << _STYLE


def mistyped(addresses: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(n,) the same addresses with something wrong: addresses nobody has. ``u`` (n,) in (0, 1) says what."""
    slip = 1 + (u * (WRONG_DOMAIN - RIGHT)).astype(np.int64)
    return (addresses & _ADDRESS) | slip << _SLIP


def spelled(addresses: np.ndarray) -> pa.Array:
    """(n,) string: the addresses as they stand in a feed."""
    style, slip = addresses >> _STYLE & 3, addresses >> _SLIP
    first = _FIRSTS.take(pa.array((addresses >> _FIRST & 255) * 4 + 2 * (slip == LETTER_LOST) + style))
    last = _LASTS.take(pa.array((addresses >> _LAST & 255) * 4 + 2 * (slip == LETTER_TWICE) + style))
    domain = _DOMAINS.take(pa.array((addresses >> _DOMAIN & 3) * 4 + 2 * (slip == WRONG_DOMAIN) + style))
    number = pa.array(shuffled(addresses & (1 << _FIRST) - 1, *_SIZE, "mails"))
    local = pc.binary_join_element_wise(first, pc.binary_join_element_wise(last, pc.cast(number, pa.string()), ""), ".")
    return pc.binary_join_element_wise(local, domain, "@")


def _four(words: tuple[str, ...], wrong: tuple[str, ...]) -> pa.Array:
    """Per word: as addresses have it, with a capital, and both again with the mistake."""
    every = zip(words, wrong, strict=True)
    return pa.array([form for right, slip in every for form in (right.lower(), right.title(), slip, slip.title())])


_FIRSTS = _four(FIRST_NAMES, tuple(name[:-1].lower() for name in FIRST_NAMES))
_LASTS = _four(LAST_NAMES, tuple((name[:2] + name[1:]).lower() for name in LAST_NAMES))
_DOMAINS = _four(DOMAINS, tuple(name.replace("example", "exmaple") for name in DOMAINS))
