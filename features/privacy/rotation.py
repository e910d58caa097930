"""A new secret for the names of keys: every lake of the home goes over to it, and none needs the names anew."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.durable import replace
from features.identity.keys import SECRET_VARIABLE, load_secrets, secrets_of
from features.lake import Lake
from features.lake.forgetting.sweeping import swept
from features.lake.rekeying import rekeyed
from features.privacy.secrets import SecretError, lakes_of, open_keyring

Progress = Callable[[str, int, int], None]
"""Called with the name of a lake, the files of it that are done and how many there are."""


@dataclass(frozen=True)
class Rotated:
    """``generation``: how many rotations there were. ``lakes``: those that went over.

    ``finished``: an earlier rotation that had been cut off was finished, and no new secret was made. ``complete``:
    False where files of the old generation could not be removed yet, because somebody was at work in the lake.
    ``stored``: the secrets are in the home's file, not in the environment.
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
    from ``TIELINE_SECRET`` the new one must be given, and the caller must add it there. Raises `SecretError`.
    """
    lakes = lakes_of(home)
    if not lakes:
        raise SecretError(f"{home} has no lake, so no key was hashed yet: there is nothing to rotate")
    for lake in lakes:
        open_keyring(home, lake)
    known, in_variable = load_secrets(home), SECRET_VARIABLE in os.environ
    if in_variable and new is None:
        raise SecretError(f"the secret comes from {SECRET_VARIABLE}: give the new one too, in another variable")
    unfinished = not in_variable and any(_behind(lake, len(known) - 1) for lake in lakes)
    if not unfinished:
        known = (*known, secrets_of(new or secrets.token_hex(32), "the new secret")[0])
        if not in_variable:
            replace("\n".join(s.hex() for s in known).encode(), home / "secret.key", mode=0o600)
    behind = [lake for lake in lakes if _behind(lake, len(known) - 1)]
    for lake in behind:
        _bring(lake, known, progress)
    clean = [swept(lake.root, patience) for lake in lakes]
    names = tuple(lake.root.name for lake in behind)
    return Rotated(len(known) - 1, names, unfinished, all(clean), not in_variable)


def _behind(lake: Lake, generation: int) -> bool:
    return lake.snapshot().hindsight.generation < generation


def _bring(lake: Lake, known: tuple[bytes, ...], progress: Progress) -> None:
    """Brings a lake to the last of the secrets, and into reading order again."""
    for generation in range(lake.snapshot().hindsight.generation + 1, len(known)):
        rekeyed(lake.root, known[generation], generation, lambda d, t: progress(lake.root.name, d, t))
    lake.compact()
