"""The key ring of a home: the secrets from the environment or from files made once, never made anew beside a lake."""

import os
from pathlib import Path

from features.durable import make_directory, publish
from features.identity.keys import (
    SECRET_VARIABLE,
    SUPPRESSION_VARIABLE,
    KeyRing,
    load_secrets,
    load_suppression,
)
from features.identity.telephone import region
from features.lake import Lake, Snapshot
from features.lake.forgetting.suppression import tags_listed
from features.lake.rekeying import begin

COUNTRY_VARIABLE = "TIELINE_COUNTRY"


class SecretError(ValueError):
    """A secret that is needed is missing, or is not the one the lake was written with; the message says what helps."""


def open_keyring(home: Path, lake: Lake) -> KeyRing:
    """The key ring that a lake of the home was written with, or will be.

    Secrets come from ``TIELINE_SECRET`` and ``TIELINE_SUPPRESSION_SECRET``, else from ``secret.key`` and
    ``suppression.key`` in the home, which are made only where no lake needs others: under a new secret nobody would
    ever be found. ``TIELINE_COUNTRY``: the calling code of national numbers. Raises `SecretError`.
    """
    taken, lakes = lake.snapshot(), [other.snapshot() for other in lakes_of(home)]
    _check_there(home, "secret.key", SECRET_VARIABLE, "the secret it was written with", any(s.version for s in lakes))
    forgotten = any(s.hindsight.suppressed for s in lakes)
    _check_there(home, "suppression.key", SUPPRESSION_VARIABLE, "the secret of who was forgotten", forgotten)
    first, *later = load_secrets(home)
    if not taken.version and later:
        taken = begin(lake.root, len(later))
    generation = taken.hindsight.generation
    if generation > len(later):
        raise SecretError(
            f"{lake.root} was written with {generation + 1} secrets (it was rotated), and there are {len(later) + 1}: "
            f"put secret.key back, or set {SECRET_VARIABLE} to all of them, the oldest first, one a line"
        )
    ring = KeyRing(first, country(), tuple(later[:generation]), load_suppression(home))
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
            "a new one is made only in a home without a lake, so where there is no copy, begin in a new TIELINE_HOME"
        )


def _check_secret(lake: Lake, ring: KeyRing) -> None:
    """Under another secret every key would be somebody new. The first ring a lake is opened with leaves its witness.

    The witness is the hash of a word, of as little use to whoever guesses secrets as any row of the keys' table.
    """
    witness = lake.root / f"secret-{ring.generation}.check"
    told = ring.hash("witness", "tieline").hex().encode()
    publish(told, make_directory(lake.root) / witness.name)
    if witness.read_bytes() != told:
        raise SecretError(
            f"{lake.root}: the secret is not the one it was written with: set {SECRET_VARIABLE}, or put secret.key back"
        )


def _check_suppression(lake: Lake, taken: Snapshot, ring: KeyRing) -> None:
    """Under another suppression secret everybody who was forgotten could come back unnoticed."""
    if taken.hindsight.suppressed and ring.tag(b"") not in tags_listed(lake.root, taken):
        raise SecretError(
            f"{lake.root}: the suppression secret is not the one people were forgotten with: "
            f"set {SUPPRESSION_VARIABLE}, or put suppression.key back"
        )
