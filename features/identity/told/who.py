"""Who holds a key at an instant, as known at an instant, and why: holders with their chains, or what is missing."""

from dataclasses import dataclass

import pyarrow as pa

from features.declare import DeclarationError
from features.history import History
from features.identity.told.chain import Holding, holdings
from features.identity.told.nobody import Reason, reasons
from features.identity.told.report import check_asked
from features.identity.told.tallies import leads_to


@dataclass(frozen=True)
class Span:
    """``entity`` held the key in ``[at_from, at_to)``, as known in ``(known_from, known_to]``; UTC microseconds."""

    entity: int
    at_from: int
    at_to: int
    known_from: int
    known_to: int


@dataclass(frozen=True)
class Answer:
    """Who of type ``of`` held the key at ``at``, as known at ``seen``.

    ``holders``: a chain each; who is reached over several paths is there several times. ``reasons``: why there is none.
    ``candidates``: who may come with the key just then, with probabilities; the rest is somebody else.
    """

    key_type: str
    key: int
    of: str
    at: int
    seen: int
    holders: tuple[Holding, ...]
    reasons: tuple[Reason, ...]
    candidates: tuple[tuple[int, float], ...]

    @property
    def entities(self) -> tuple[int, ...]:
        """The holders, each once."""
        return tuple(dict.fromkeys(h.entity for h in self.holders))


def who(
    history: History,
    evidence: pa.Table,
    key_type: str,
    key: int,
    at: int,
    seen: int | None = None,
    of: str = "customer",
) -> Answer:
    """Who holds a key at ``at``, as known at ``seen`` (default: at the same instant). ``evidence``: `Lake.read`'s.

    Raises `DeclarationError` for a type of key that is not declared or leads to no ``of``, and `ReportError` for an
    instant at which nothing was known yet.
    """
    seen = at if seen is None else seen
    check_leads(history, key_type, of)
    check_asked(history, seen, of)
    found = holdings(history, evidence, key_type, key, at, seen, of)
    why = () if found else reasons(history, evidence, key_type, key, at, seen, of)
    entities, weights = history.candidates([(key_type, key)], at, seen, of)
    likely = sorted(zip(entities.tolist(), weights.tolist(), strict=True), key=lambda pair: -pair[1])
    return Answer(key_type, key, of, at, seen, found, why, tuple(likely))


def spans(history: History, key: int, of: str = "customer") -> tuple[Span, ...]:
    """Everybody who ever held a key, by all that was ever known; in the order of when, then of when it was known."""
    by_key = history.reach(of)
    rows = (by_key.key == key).nonzero()[0]
    names = ("entity", "at_from", "at_to", "known_from", "known_to")
    found = [Span(*(int(getattr(by_key, name)[row]) for name in names)) for row in rows]
    return tuple(sorted(found, key=lambda s: (s.known_from, s.at_from, s.entity)))


def check_leads(history: History, key_type: str, of: str) -> None:
    """Raise `DeclarationError` where keys of a type can belong to no ``of``."""
    types = history.catalog.key_types
    for name in (key_type, of):
        if name not in types:
            raise DeclarationError(f"'{name}' is not a type of key (there are: {', '.join(types)})")
    if key_type not in leads_to(history.catalog, of):
        others = [t for t in types if key_type in leads_to(history.catalog, t)]
        raise DeclarationError(f"no link leads from '{key_type}' to '{of}' (it may be asked of: {', '.join(others)})")
