"""The key ring of a home: the secrets from the environment or from files made once, never made anew beside a lake."""

import os
from pathlib import Path

from features.durable import make_directory, publish, replace
from features.identity.keys import (
    SECRET_VARIABLE,
    SUPPRESSION_VARIABLE,
    KeyRing,
    SecretError,
    load_secrets,
    load_suppression,
)
from features.identity.telephone import region
from features.lake import Lake, Snapshot
from features.lake.forgetting.suppression import tags_listed
from features.lake.rekeying import begin

COUNTRY_VARIABLE = "TIELINE_COUNTRY"
MAKE = "python -c 'import secrets; print(secrets.token_hex(32))'"
"""The command that makes a secret."""


def open_keyring(home: Path, lake: Lake) -> KeyRing:
    """The key ring that a lake of the home was written with, or will be.

    Secrets come from ``TIELINE_SECRET`` and ``TIELINE_SUPPRESSION_SECRET``, else from ``secret.key`` and
    ``suppression.key`` in the home, which are made only where no lake needs others: under a new secret nobody would
    ever be found. ``TIELINE_COUNTRY``: the calling code of national numbers. Raises `SecretError`.
    """
    return keyring(home, lake, known_secrets(home))


def known_secrets(home: Path) -> tuple[bytes, ...]:
    """The secrets of the home, one of each generation, made only where no lake needs others; as `open_keyring`."""
    lakes = [lake.snapshot() for lake in lakes_of(home)]
    _check_there(home, "secret.key", SECRET_VARIABLE, "the secret it was written with", any(s.version for s in lakes))
    forgotten = any(s.hindsight.suppressed for s in lakes)
    _check_there(home, "suppression.key", SUPPRESSION_VARIABLE, "the secret of who was forgotten", forgotten)
    return load_secrets(home)


def keyring(home: Path, lake: Lake, known: tuple[bytes, ...]) -> KeyRing:
    """The key ring of a lake: of these secrets as many as it was written with, of a new lake all. As `open_keyring`."""
    taken = lake.snapshot()
    begun = bool(taken.version)
    if not begun and len(known) > 1:
        taken = begin(lake.root, len(known) - 1)
    generation = taken.hindsight.generation
    if generation >= len(known):
        raise SecretError(
            f"{lake.root} was written with {generation + 1} secrets (it was rotated), and there are {len(known)}: "
            f"put secret.key back, or set {SECRET_VARIABLE} to all of them, the oldest first, one a line"
        )
    ring = KeyRing(known[0], country(), known[1 : generation + 1], load_suppression(home))
    if not begun:
        leave_witness(lake, ring)
    _check_secret(lake, ring)
    _check_suppression(lake, taken, ring)
    return ring


def lakes_of(home: Path) -> tuple[Lake, ...]:
    """The lakes of a home's workspaces."""
    return tuple(Lake(path.parent) for path in sorted((home / "lakes").glob("*/log")))


def country() -> str | None:
    """The calling code of national numbers, from ``TIELINE_COUNTRY``; raises `SecretError` where it is none."""
    code = os.environ.get(COUNTRY_VARIABLE, "").strip().removeprefix("+")
    try:
        return code if code and region(code) else None
    except ValueError:
        raise SecretError(f"{COUNTRY_VARIABLE}: no country has that calling code; write it such as 32") from None


def _check_there(home: Path, name: str, variable: str, what: str, needed: bool) -> None:
    if needed and variable not in os.environ and not (home / name).is_file():
        raise SecretError(
            f"{home} has a lake but not {what}: set {variable}, or put {name} back from a copy; "
            "a new one is made only in a home without a lake, so where there is no copy, begin in a new TIELINE_HOME; "
            f"there it is made by itself, or by you: {MAKE}"
        )


def leave_witness(lake: Lake, ring: KeyRing) -> None:
    """From now on the lake tells these secrets, in this order, from others; what an earlier ring left is replaced.

    The witness is the hash of a word, of as little use to whoever guesses secrets as any row of the keys' table.
    """
    make_directory(lake.root)
    replace(_told(ring), _witness(lake, ring))


def _check_secret(lake: Lake, ring: KeyRing) -> None:
    """Under another secret every key would be somebody new. A lake without a witness takes the first ring's."""
    publish(_told(ring), _witness(lake, ring))
    if _witness(lake, ring).read_bytes() != _told(ring):
        raise SecretError(
            f"{lake.root}: the secret is not the one it was written with: set {SECRET_VARIABLE}, or put secret.key back"
        )


def _witness(lake: Lake, ring: KeyRing) -> Path:
    return lake.root / f"secret-{ring.generation}.check"


def _told(ring: KeyRing) -> bytes:
    return ring.hash("witness", "tieline").hex().encode()


def _check_suppression(lake: Lake, taken: Snapshot, ring: KeyRing) -> None:
    """Under another suppression secret everybody who was forgotten could come back unnoticed."""
    if taken.hindsight.suppressed and ring.tag(b"") not in tags_listed(lake.root, taken):
        raise SecretError(
            f"{lake.root}: the suppression secret is not the one people were forgotten with: "
            f"set {SUPPRESSION_VARIABLE}, or put suppression.key back"
        )
