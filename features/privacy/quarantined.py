"""Rows of the quarantine whose key stands as it came, held against the key a person gave."""

import json
import re
import unicodedata
from collections.abc import Iterator

import phonenumbers

from features.declare import Catalog
from features.identity.normalise import normalise

_SHORTEST = 7
"""A shorter word is also part of what is not theirs, such as a house number."""

_NATIONAL = 8
"""National numbers of fewer digits are the same in too many countries and areas."""

_NOT_OF_A_NUMBER = re.compile(r"[^\d\s\-./()+\u2010-\u2015\u2212]")
_APART = r"""\s<>()\[\]"',;|"""


def spelled(row: str, catalog: Catalog, key_type: str, value: str, country: str | None) -> tuple[str, ...]:
    """The keys in a quarantined row (JSON) that could not be hashed and spell the key given.

    Only where the row says that they are of the key's type, or of none there is. A number is the same with and without
    its country's code; any other key is when it stands in the text as a word of its own, whatever the case.
    """
    wanted = normalise(key_type, value, country)
    return tuple(
        text
        for kind, text in _raw(json.loads(row))
        if (kind == key_type or kind not in catalog.key_types)
        and (_same_number(text, wanted) if key_type == "msisdn" else _names(text, value) or _names(text, wanted))
    )


def spellings(key_type: str, value: str, country: str | None) -> tuple[str, ...]:
    """How else a feed may write a number: nationally, after what is dialled to reach it from abroad, without a sign."""
    if key_type != "msisdn":
        return ()
    code, national = _parts(normalise(key_type, value, country))
    alone = ("0" + national.lstrip("0"), national) if len(national) >= _NATIONAL else ()
    return (*alone, code + national, "00" + code + national)


def _raw(row: dict[str, object]) -> Iterator[tuple[object, str]]:
    for stem in ("key", "other"):
        text = row.get(stem)
        if isinstance(text, str) and not text.startswith("hmac:"):
            yield row.get(f"{stem}_type"), text


def _names(text: str, wanted: str) -> bool:
    found, name = (unicodedata.normalize("NFKC", t).strip().casefold() for t in (text, wanted))
    if len(name) < _SHORTEST:
        return found == name
    found = found.removeprefix("mailto:")
    return re.search(f"(?<![^{_APART}]){re.escape(name)}(?![^{_APART}])", found) is not None


def _same_number(text: str, wanted: str) -> bool:
    """Whether the text begins with the number, as the whole of its digits up to a letter or sign."""
    code, national = _parts(wanted)
    plain = unicodedata.normalize("NFKC", text).strip().casefold().removeprefix("tel:")
    bare = _NOT_OF_A_NUMBER.split(plain, maxsplit=1)[0].strip()
    digits = re.sub(r"\D", "", bare)
    short = national.lstrip("0")
    if digits.lstrip("0") in (code + national, f"{code}0{short}"):
        return True
    abroad = bare.startswith("+") or digits.startswith("00")
    return not abroad and len(national) >= _NATIONAL and digits.removeprefix("0") == short


def _parts(number: str) -> tuple[str, str]:
    """The calling code and the national number of a number in E.164."""
    parsed = phonenumbers.parse(number)
    return str(parsed.country_code), phonenumbers.national_significant_number(parsed)
