"""A new secret for the names of keys: every lake of the home goes over to it, and none needs the names anew."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.durable import replace
from features.identity.keys import SECRET_VARIABLE, KeyRing, SecretError, secrets_of
from features.lake import Lake
from features.lake.forgetting.sweeping import swept
from features.lake.presence import alone
from features.lake.rekeying import rekeyed
from features.privacy.secrets import keyring, known_secrets, lakes_of, leave_witness

Progress = Callable[[str, int, int], None]
"""Called with the name of a lake, the files of it that are done and how many there are."""


@dataclass(frozen=True)
class Rotated:
    """``generation``: how many rotations there were. ``lakes``: those that went over.

    ``finished``: an earlier rotation that had been cut off was finished, and no new secret was made. ``complete``:
    False where files of the old generation could not be removed yet, because somebody was at work in the lake.
    ``stored``: the secrets are all where they are read from, so that the caller need not add the new one there.
    """

    generation: int
    lakes: tuple[str, ...]
    finished: bool
    complete: bool
    stored: bool


def rotate(
    home: Path,
    new: str | None = None,
    *,
    patience: float = 30.0,
    progress: Progress = lambda lake, done, total: None,
) -> Rotated:
    """Wraps every hash of every lake of the home with a new secret (``new``, or a random one).

    The secrets are stored first, then one lake after the other goes over by a commit of its own: killed at any point,
    each lake is whole and says how many secrets it needs, and doing it again finishes the job. Where the secrets come
    from ``TIELINE_SECRET`` the new one must be given, and the caller must add it there; a rotation that was cut off is
    finished before or after that. Raises `SecretError`.
    """
    lakes = lakes_of(home)
    if not lakes:
        raise SecretError(f"{home} has no lake, so no key was hashed yet: there is nothing to rotate")
    with alone(home, 0) as nobody_else:
        if not nobody_else:
            raise SecretError(f"somebody else is at work on the secrets of {home}: wait for them")
        return _rotated(home, lakes, None if new is None else _one(new), patience, progress)


def _rotated(home: Path, lakes: tuple[Lake, ...], added: bytes | None, patience: float, progress: Progress) -> Rotated:
    in_variable, stored = SECRET_VARIABLE in os.environ, known_secrets(home)
    known = _begun(lakes, stored, added if in_variable else None)
    for lake in lakes:
        keyring(home, lake, known)
    unfinished = known != stored or bool(_behind(lakes, known))
    if unfinished and added not in (None, known[-1]):
        raise SecretError("a rotation to another secret was cut off: finish it first, without giving a new one")
    if not unfinished and in_variable and added is None:
        raise SecretError(f"the secret comes from {SECRET_VARIABLE}: give the new one too, in another variable")
    if not unfinished:
        known = (*known, added or _one(secrets.token_hex(32)))
    behind = _behind(lakes, known)
    _check_new(behind, known)
    if not in_variable and known != stored:
        replace("\n".join(s.hex() for s in known).encode(), home / "secret.key", mode=0o600)
    for lake in behind:
        _bring(lake, known, progress)
    clean = [swept(lake.root, patience) for lake in lakes]
    names = tuple(lake.root.name for lake in behind)
    return Rotated(len(known) - 1, names, unfinished, all(clean), not in_variable or known == stored)


def _one(new: str) -> bytes:
    found = secrets_of(new, "the new secret")
    if len(found) > 1:
        raise SecretError(f"the new secret has {len(found)} lines: give one secret, on one line")
    return found[0]


def _begun(lakes: tuple[Lake, ...], known: tuple[bytes, ...], added: bytes | None) -> tuple[bytes, ...]:
    """The secrets with the new one that some lake has gone over to already, where the variable still lacks it."""
    gone = [lake for lake in lakes if _generation(lake) == len(known)]
    there = gone and all((lake.root / f"secret-{len(known)}.check").is_file() for lake in gone)
    return (*known, added) if there and added is not None else known


def _generation(lake: Lake) -> int:
    return lake.snapshot().hindsight.generation


def _behind(lakes: tuple[Lake, ...], known: tuple[bytes, ...]) -> list[Lake]:
    return [lake for lake in lakes if _generation(lake) < len(known) - 1]


def _check_new(behind: list[Lake], known: tuple[bytes, ...]) -> None:
    for generation in range(min(map(_generation, behind), default=len(known)) + 1, len(known)):
        if known[generation] in known[:generation]:
            raise SecretError("the new secret is one of those there were: whoever knows that one could tell every key")


def _bring(lake: Lake, known: tuple[bytes, ...], progress: Progress) -> None:
    """Brings a lake to the last of the secrets, and into reading order again."""
    for generation in range(_generation(lake) + 1, len(known)):
        leave_witness(lake, KeyRing(known[0], later=known[1 : generation + 1]))
        rekeyed(lake.root, known[generation], generation, lambda d, t: progress(lake.root.name, d, t))
    lake.compact()
