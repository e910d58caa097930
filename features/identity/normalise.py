"""One spelling of a key: what two systems must agree on before a key is hashed."""

import re
import unicodedata
from collections.abc import Callable

import idna

from features.identity.telephone import e164

_SEPARATORS = re.compile(r"[\s\-./\u2010-\u2015\u2212]")
_NOT_IN_A_NAME = re.compile(r'[\s()<>\[\]:;@\\,"]')
_DOMAIN = re.compile(r"[\w\-]+(?:\.[\w\-]+)*|\[[0-9a-f.:]+\]")
_IMEI, _CHECKED, _VERSIONED = 14, 15, 16


def normalise(key_type: str, value: str, country: str | None = None) -> str:
    """The one spelling of a key.

    ``msisdn`` as E.164 (see `telephone`; ``country`` is the calling code given to national numbers, such as
    ``"32"``); ``email`` with case, width and the domain's alphabet folded, tags and dots of the name kept (they are
    different mailboxes); ``imsi`` digits only; ``imei`` the 14 digits of the handset, whether or not its check digit
    or software version follow; any other type stripped and composed (NFC). The prefixes of URIs and of 3GPP's SUPI,
    GPSI and PEI are taken off.
    Raises `ValueError` saying what is wrong without repeating the value, which may name a person.

    >>> normalise("msisdn", "0032 471 23-45-67")
    '+32471234567'
    >>> normalise("msisdn", "0471 23 45 67", country="32")
    '+32471234567'
    >>> normalise("email", "mailto:Ann.Lee@Example.COM"), normalise("imei", "imeisv-3520990017614823")
    ('ann.lee@example.com', '35209900176148')
    """
    rule = _RULES.get(key_type)
    text = (_plain(value) if rule or key_type == "msisdn" else unicodedata.normalize("NFC", value)).strip()
    if not text:
        raise ValueError(f"{key_type}: the key is empty")
    if not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in text):
        raise ValueError(f"{key_type}: the key holds control or invisible characters")
    if key_type == "msisdn":
        return e164(text, country)
    return rule(text) if rule else text


def _plain(value: str) -> str:
    """Full width, ligatures and other countries' digits as ASCII; white space within is a space."""
    if not value.isascii():
        value = unicodedata.normalize("NFKC", "".join(_seen(c) for c in value))
    return value if value.isprintable() else re.sub(r"\s", " ", value)


def _seen(character: str) -> str:
    """A decimal digit as ASCII; nothing for what steers the direction of writing, as telephones copy along."""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(character) == "No":
        return "\N{REPLACEMENT CHARACTER}"  # a raised 2 is a footnote's mark, or another person's number
    return "" if unicodedata.category(character) == "Cf" else character


def _email(text: str) -> str:
    name, at, domain = _folded(re.sub(r"^mailto:", "", text, flags=re.IGNORECASE)).rpartition("@")
    domain = domain.removesuffix(".")
    if not (name and at and _DOMAIN.fullmatch(domain)) or _NOT_IN_A_NAME.search(name):
        raise ValueError("email: an address is written name@domain, without spaces")
    return f"{name}@{domain if domain.isascii() else _ascii_domain(domain)}"


def _folded(text: str) -> str:
    """In small letters, composed: lowering twice changes nothing more.

    Not folded further: a sharp s and a final sigma are letters of their own in names and in domains (IDNA 2008).
    """
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text.lower())
    return text


def _ascii_domain(domain: str) -> str:
    try:
        return idna.encode(domain).decode()
    except idna.IDNAError:  # its message repeats the domain
        raise ValueError("email: the domain is no internationalised domain name (IDNA)") from None


def _imsi(text: str) -> str:
    digits = _digits("imsi", text, ("imsi-",))
    if not 6 <= len(digits) <= 15:  # ITU-T E.212: at most 15
        raise ValueError(f"imsi: 6 to 15 digits are needed, not {len(digits)}")
    return digits


def _imei(text: str) -> str:
    digits = _digits("imei", text, ("imei-", "imeisv-"))
    lengths = (_VERSIONED,) if text[:7].lower() == "imeisv-" else (_IMEI, _CHECKED, _VERSIONED)
    if len(digits) not in lengths:
        raise ValueError(f"imei: {' or '.join(map(str, lengths))} digits are needed, not {len(digits)}")
    # 3GPP 23.003, 6.2.1: the network transmits a 0 in the place of the check digit.
    if len(digits) == _CHECKED and digits[-1] not in ("0", _check_digit(digits[:_IMEI])):
        raise ValueError("imei: the check digit does not fit the others; a digit is wrong")
    return digits[:_IMEI]


def _digits(key_type: str, text: str, prefixes: tuple[str, ...]) -> str:
    bare = next((text[len(p) :] for p in prefixes if text.lower().startswith(p)), text)
    digits = _SEPARATORS.sub("", bare)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{key_type}: only digits, spaces and dashes are allowed")
    return digits


def _check_digit(digits: str) -> str:
    """Luhn's: from the right, every other digit is doubled and its digits added up (ISO/IEC 7812-1)."""
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits))]
    return str(-sum(d // 10 + d % 10 for d in doubled) % 10)


_RULES: dict[str, Callable[[str], str]] = {"email": _email, "imsi": _imsi, "imei": _imei}
