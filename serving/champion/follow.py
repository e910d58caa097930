"""The models that answer follow the registry's aliases: one thread looks, loads, checks, warms and swaps.

Whatever goes wrong, the last good set goes on answering and `Follower.status` says what is the matter.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from models.registry import shown
from serving.champion.champions import Champions
from serving.champion.source import Loaded, Look, Source
from serving.errors import StartError

Prepared = TypeVar("Prepared")
EVERY = 5.0
_JITTER = 0.2
_LONGEST = 300.0
"""Seconds between two tries of the same models at most."""
_MOST_WORDS = 400

logger = structlog.get_logger("serving.champion")


class Serving(NamedTuple, Generic[Prepared]):
    """The models that answer, what was prepared for them (``None`` before `Follower.start`), and since when (UTC)."""

    champions: Champions
    prepared: Prepared | None
    since: datetime


@dataclass(frozen=True)
class Status:
    """What is served and how it stands to the registry. Instants are UTC.

    ``versions`` and ``models``: name -> version served and its id; ``challengers``: task -> version in the shadow;
    ``since`` they answer. ``looked``: the last look at the registry that succeeded (``None``: none yet). ``wanted``:
    name -> version of the aliases at that look. ``error``: in words, what keeps the registry or its models from being
    followed; ``trouble``: what harms no answer (a challenger that cannot be loaded, a copy that cannot be written).
    ``stale``: the registry has other models that could not be loaded, or was not reached for too long.
    ``swaps``: how often the models were exchanged since the start.
    """

    versions: Mapping[str, int]
    models: Mapping[str, str]
    challengers: Mapping[str, int]
    since: datetime
    looked: datetime | None
    wanted: Mapping[str, int]
    error: str | None
    trouble: str | None
    stale: bool
    swaps: int


@dataclass(frozen=True)
class _Notes(Generic[Prepared]):
    """What the thread remembers, with what is served: whoever reads both sees them of one instant.

    Seconds are of the monotonic clock. ``look``: the last one whose models were tried, ``tries`` times, and ``again``
    when to try once more (``None``: there is no need to). ``refused``: why they do not serve; ``away``: why the
    registry did not answer the last look.
    """

    serving: Serving[Prepared]
    started: float
    looked: datetime | None = None
    looked_at: float | None = None
    wanted: Mapping[str, int] | None = None
    look: Look | None = None
    tries: int = 0
    again: float | None = None
    refused: str | None = None
    away: str | None = None
    trouble: str | None = None
    swaps: int = 0


class Follower(Generic[Prepared]):
    """Keeps `current` what the registry's aliases say.

    `current` and `serving` read one reference without a lock: a request takes it once and keeps it. ``every``: seconds
    between two looks; ``patience``: seconds without a look that succeeds after which the models count as stale.
    """

    def __init__(self, source: Source, notes: _Notes[Prepared], *, every: float, patience: float) -> None:
        self.source = source
        self.every = every
        self.patience = patience
        self._notes = notes
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._warm: Callable[[Champions], Prepared] | None = None

    @classmethod
    def open(cls, source: Source, *, every: float = EVERY, patience: float | None = None) -> "Follower[Prepared]":
        """A follower that serves what the registry says, or, where it gives nothing that can serve, the kept copies.

        ``patience`` is by default six times ``every``. Raises `StartError` where there is neither. Nothing is warm and
        nobody follows before `start`.
        """
        now = time.monotonic()
        try:
            look = source.look()
            loaded = source.load(look)
        except Exception as error:
            kept = source.kept()
            if kept is None:
                raise error if isinstance(error, StartError) else StartError(_words(error)) from error
            logger.warning("serving the models kept at home", why=_words(error), models=kept.versions)
            notes = _Notes(_serving(kept), now, refused=_words(error))
        else:
            notes = _seen(_Notes(_serving(loaded.champions), now), look, now)
            notes = replace(notes, look=look, **_troubled(loaded.trouble, now + every))
        return cls(source, notes, every=every, patience=6 * every if patience is None else patience)

    @property
    def serving(self) -> Serving[Prepared]:
        """The models that answer, with what was prepared for them: one reference."""
        return self._notes.serving

    @property
    def current(self) -> Champions:
        """The models that answer."""
        return self._notes.serving.champions

    def start(self, warm: Callable[[Champions], Prepared]) -> None:
        """Warm the models there are, and follow the registry from now on.

        ``warm`` answers once with the models it is given and returns what is to stand beside them in `serving`; it
        runs here for the first set, in the thread for later ones. Where it raises here, so does this.
        """
        self._warm = warm
        serving, trouble = self._warmed(Loaded(self.current))
        self._notes = replace(self._notes, serving=serving)
        if trouble:
            self._notes = replace(self._notes, **_troubled(trouble, time.monotonic() + self.every))
        self._thread = threading.Thread(target=self._follow, name="champions", daemon=True)
        self._thread.start()

    def stop(self, wait: float = 5.0) -> None:
        """Stop looking; a look that hangs is left behind after ``wait`` seconds and changes nothing any more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(wait)

    def status(self) -> Status:
        """How it stands, at once and from any thread."""
        notes = self._notes
        served = notes.serving.champions
        silent = time.monotonic() - (notes.started if notes.looked_at is None else notes.looked_at) > self.patience
        return Status(
            versions=served.versions,
            models={name: c.model.id for name, c in served.all.items()},
            challengers={task: c.version for task, c in served.challengers.items()},
            since=notes.serving.since,
            looked=notes.looked,
            wanted=notes.wanted or {},
            error=notes.away or notes.refused,
            trouble=notes.trouble,
            stale=silent or notes.refused is not None or notes.looked is None,
            swaps=notes.swaps,
        )

    def _follow(self) -> None:
        self._keep(time.monotonic() + self.every)
        while not self._stopping.wait(self.every * random.uniform(1 - _JITTER, 1 + _JITTER)):
            self._step()

    def _step(self) -> None:
        """One look, and whatever it asks for."""
        try:
            look = self.source.look()
        except Exception as error:
            self._say(away=_words(error))
            return
        now = time.monotonic()
        self._notes = _seen(self._notes, look, now)
        notes = self._notes
        same = look == notes.look
        if same and (notes.again is None or now < notes.again):
            return
        tries = notes.tries + 1 if same else 1
        again = now + min(self.every * 2 ** min(tries, 30), _LONGEST)
        self._notes = replace(notes, look=look, tries=tries, again=again)
        try:
            loaded = self._warmed(self.source.load(look, self.current))
        except Exception as error:
            self._say(refused=_words(error))
            return
        if self._stopping.is_set():
            return
        self._swap(*loaded, again)
        self._keep(again)

    def _warmed(self, loaded: Loaded) -> tuple[Serving[Prepared], tuple[str, ...]]:
        """The models with what was prepared for them; a challenger that cannot be warmed is left out."""
        try:
            return self._prepared(loaded.champions), loaded.trouble
        except Exception as error:
            if not loaded.champions.challengers:
                raise
            alone = self._prepared(replace(loaded.champions, challengers={}))
            return alone, (*loaded.trouble, f"with a challenger: {_words(error)}")

    def _prepared(self, champions: Champions) -> Serving[Prepared]:
        """What is served already, where these are the same models."""
        assert self._warm is not None
        served = self._thread is not None and _ids(champions) == _ids(self.current)
        return self.serving if served else Serving(champions, self._warm(champions), datetime.now(UTC))

    def _swap(self, serving: Serving[Prepared], trouble: tuple[str, ...], again: float) -> None:
        before = self._notes
        swaps = before.swaps + (serving is not before.serving)
        self._notes = replace(before, serving=serving, refused=None, swaps=swaps, **_troubled(trouble, again))
        versions, earlier = serving.champions.versions, before.serving.champions.versions
        if versions != earlier:
            logger.info("other models answer", models=versions, before=earlier)
        if trouble and before.trouble != self._notes.trouble:
            logger.warning("not all is well with the models", why=self._notes.trouble)

    def _keep(self, again: float) -> None:
        """Copy what is served; where that fails, once more at ``again``."""
        try:
            self.source.keep(self.current)
        except Exception as error:
            words = [w for w in (self._notes.trouble, f"no copy is kept: {_words(error)}") if w]
            self._notes = replace(self._notes, again=again)
            self._say(trouble="; ".join(words))

    def _say(self, **said: str) -> None:
        """Note what is the matter; a line in the log where it is new."""
        before = self._notes
        self._notes = replace(before, **said)  # type: ignore[arg-type]
        for kind, words in said.items():
            if getattr(before, kind) != words:
                logger.warning("the registry's models are not followed", why=words, kind=kind)


def _troubled(trouble: tuple[str, ...], again: float) -> dict[str, Any]:
    """What is noted of what harms no answer, and that it is tried ``again``; that all is well, where there is none."""
    return {"trouble": "; ".join(trouble), "again": again} if trouble else {"trouble": None, "again": None}


def _serving(champions: Champions) -> "Serving":
    return Serving(champions, None, datetime.now(UTC))


def _seen(notes: _Notes, look: Look, now: float) -> _Notes:
    wanted = {name: holder.version for name, holder in look.champions.items()}
    return replace(notes, looked=datetime.now(UTC), looked_at=now, wanted=wanted, away=None)


def _ids(champions: Champions) -> tuple[dict[str, tuple[int, str]], ...]:
    """What tells two sets apart."""
    groups = (champions.all, champions.challengers)
    return tuple({name: (c.version, c.model.id) for name, c in group.items()} for group in groups)


def _words(error: BaseException) -> str:
    """An error in words, without passwords, on one line."""
    words = " ".join(shown(str(error)).split()) or type(error).__name__
    return words if len(words) <= _MOST_WORDS else words[: _MOST_WORDS - 4] + " ..."
