"""One spelling of a key: what two systems must agree on before a key is hashed."""

import re
from collections.abc import Callable

_DECORATION = re.compile(r"\(0\)|[\s\-./()]")


def normalise(key_type: str, value: str, country: str | None = None) -> str:
    """The one spelling of a key: what two systems must agree on before it is hashed.

    ``email`` casefolded; ``msisdn`` as E.164 (``+`` and 8 to 15 digits; ``country`` is the calling code given to
    national numbers, such as ``"32"``); ``imsi`` and ``imei`` digits only; any other type stripped.
    Raises `ValueError` saying what is wrong without repeating the value, which may name a person.

    >>> normalise("msisdn", "0032 471 23-45-67")
    '+32471234567'
    >>> normalise("msisdn", "0471 23 45 67", country="32")
    '+32471234567'
    """
    text = value.strip()
    if not text:
        raise ValueError(f"{key_type}: the key is empty")
    if key_type == "msisdn":
        return _msisdn(text, country)
    rule = _RULES.get(key_type)
    return rule(text) if rule else text


def _msisdn(text: str, country: str | None) -> str:
    bare = _DECORATION.sub("", text)
    international = bare.startswith(("+", "00"))
    digits = bare.removeprefix("+") if bare.startswith("+") else bare.removeprefix("00")
    if not re.fullmatch(r"[0-9]+", digits):
        raise ValueError("msisdn: a number holds digits, spaces, dashes and a leading + only")
    if not international:
        if country is None:
            raise ValueError("msisdn: a national number needs the calling code of its country (or write it with +)")
        digits = country.lstrip("+") + digits.removeprefix("0")
    if not 8 <= len(digits) <= 15 or digits[0] == "0":
        raise ValueError(f"msisdn: {len(digits)} digits with the country's; E.164 has 8 to 15, the first not 0")
    return "+" + digits


def _email(text: str) -> str:
    local, at, domain = text.casefold().rpartition("@")
    if not (local and at and domain) or "@" in local or re.search(r"\s", text):
        raise ValueError("email: an address is written name@domain, without spaces")
    return f"{local}@{domain}"


def _digits(key_type: str, low: int, high: int) -> Callable[[str], str]:
    def rule(text: str) -> str:
        digits = re.sub(r"[\s\-./]", "", text)
        if not re.fullmatch(r"[0-9]+", digits) or not low <= len(digits) <= high:
            raise ValueError(f"{key_type}: {low} to {high} digits are needed, not {len(digits)} characters")
        return digits

    return rule


_RULES: dict[str, Callable[[str], str]] = {
    "email": _email,
    "imsi": _digits("imsi", 6, 15),  # ITU-T E.212: at most 15 digits
    "imei": _digits("imei", 14, 16),  # 3GPP 23.003: without check digit, with it, with software version
}
