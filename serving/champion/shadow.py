"""What the challengers would have said: scored beside the answers, never in their way."""

import math
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue

import numpy as np
import pandas as pd

from serving.champion.champions import Champion, Champions

SIZE = 1_000
_BATCH = 64
_PAIRS = 2
"""Champion and challenger of a task that are kept apart: the present ones and those before."""


@dataclass(frozen=True)
class Offered:
    """What was scored for an answer: label -> the champion's probability at the last horizon, ``risks``.

    ``champions``: the set that answered. ``row``: one row with at least the features of the challenger, or what makes
    it; it is called in the thread of the shadow.
    """

    champions: Champions
    task: str
    row: pd.DataFrame | Callable[[], pd.DataFrame]
    risks: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """A champion and its challenger on the same rows: probabilities of ``label`` at the last horizon.

    ``difference``: mean absolute; ``correlation``: Pearson's (``None`` where one of the two does not vary);
    ``moved``: the share whose band differs, each judged by the bands of its own model.
    """

    task: str
    label: str
    champion: int
    challenger: int
    count: int
    difference: float
    correlation: float | None
    moved: float


@dataclass(frozen=True)
class Snapshot:
    """The comparisons, newest pair of a task last, and how many offers were taken, dropped (as the queue was full) and
    failed (taken, but not to be scored; ``error``: the last reason).
    """

    comparisons: tuple[Comparison, ...]
    offered: int
    dropped: int
    failed: int
    error: str | None


class Shadow:
    """Scores offers with the challenger of the set that answered, in one thread, as far as it keeps up."""

    def __init__(self, size: int = SIZE) -> None:
        self._queue: Queue[Offered | None] = Queue(size)
        self._lock = threading.Lock()
        self._pairs: dict[tuple[str, int, int], dict[str, _Moments]] = {}
        self._offered = self._dropped = self._failed = 0
        self._error: str | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Score from now on."""
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def stop(self, wait: float = 5.0) -> None:
        """Stop scoring; what still waits is left."""
        self._stopping.set()
        with suppress(Full):
            self._queue.put_nowait(None)
        if self._thread is not None:
            self._thread.join(wait)

    def offer(self, item: Offered) -> bool:
        """Whether the item will be scored; never waits for that. Without a challenger of its task it is not taken."""
        if item.task not in item.champions.challengers:
            return False
        try:
            self._queue.put_nowait(item)
        except Full:
            with self._lock:
                self._dropped += 1
            return False
        with self._lock:
            self._offered += 1
        return True

    def snapshot(self) -> Snapshot:
        """The figures so far."""
        with self._lock:
            found = tuple(
                moments.comparison(task, label, champion, challenger)
                for (task, champion, challenger), labels in self._pairs.items()
                for label, moments in labels.items()
            )
            return Snapshot(found, self._offered, self._dropped, self._failed, self._error)

    def _work(self) -> None:
        while not self._stopping.is_set():
            items = self._waiting()
            groups: dict[tuple[int, str], list[Offered]] = {}
            for item in items:
                groups.setdefault((id(item.champions), item.task), []).append(item)
            for same in groups.values():
                try:
                    self._compare(same)
                except Exception as error:
                    self._fail(error, len(same))

    def _waiting(self) -> list[Offered]:
        """What waits, at most a batch; waits for the first."""
        found = [self._queue.get()]
        with suppress(Empty):
            while len(found) < _BATCH:
                found.append(self._queue.get_nowait())
        return [item for item in found if item is not None]

    def _compare(self, items: list[Offered]) -> None:
        """Score items of one task, answered by one set."""
        champions, task = items[0].champions, items[0].task
        champion, challenger = champions.named[task], champions.challengers[task]
        encoded, scored = [], []
        for item in items:
            try:
                row = item.row if isinstance(item.row, pd.DataFrame) else item.row()
                encoded.append(challenger.model.encoder.transform(row[list(challenger.model.features)]))
            except Exception as error:
                self._fail(error, 1)
            else:
                scored.append(item)
        if not scored:
            return
        X, found = np.concatenate(encoded), {}
        for label in challenger.model.labels:
            theirs = challenger.model.curve(label, X)[:, -1]
            found[label] = _moments(champion, challenger, label, np.array([i.risks[label] for i in scored]), theirs)
        with self._lock:
            pair = self._pairs.setdefault((task, champion.version, challenger.version), {})
            for label, moments in found.items():
                pair[label] = pair[label].merged(moments) if label in pair else moments
            of_task = [key for key in self._pairs if key[0] == task]
            for key in of_task[:-_PAIRS]:
                del self._pairs[key]

    def _fail(self, error: Exception, count: int) -> None:
        with self._lock:
            self._failed += count
            self._error = f"{type(error).__name__}: {error}"[:400]


@dataclass(frozen=True)
class _Moments:
    """Sums over rows of champion x and challenger y: of means and of squared deviations from them."""

    count: int
    x: float
    y: float
    xx: float
    yy: float
    xy: float
    apart: float
    moved: int

    def merged(self, other: "_Moments") -> "_Moments":
        """Both together (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", formula 1.5)."""
        count = self.count + other.count
        dx, dy, weight = other.x - self.x, other.y - self.y, self.count * other.count / count
        return _Moments(
            count,
            self.x + dx * other.count / count,
            self.y + dy * other.count / count,
            self.xx + other.xx + dx * dx * weight,
            self.yy + other.yy + dy * dy * weight,
            self.xy + other.xy + dx * dy * weight,
            self.apart + other.apart,
            self.moved + other.moved,
        )

    def comparison(self, task: str, label: str, champion: int, challenger: int) -> Comparison:
        """What the sums say."""
        varies = self.xx > 0 and self.yy > 0
        correlation = max(-1.0, min(1.0, self.xy / math.sqrt(self.xx * self.yy))) if varies else None
        difference, moved = self.apart / self.count, self.moved / self.count
        return Comparison(task, label, champion, challenger, self.count, difference, correlation, moved)


def _moments(champion: Champion, challenger: Champion, label: str, x: np.ndarray, y: np.ndarray) -> _Moments:
    dx, dy = x - x.mean(), y - y.mean()
    moved = sum(
        champion.model.band(label, float(a)) != challenger.model.band(label, float(b))
        for a, b in zip(x, y, strict=True)
    )
    return _Moments(
        len(x),
        float(x.mean()),
        float(y.mean()),
        float(dx @ dx),
        float(dy @ dy),
        float(dx @ dy),
        float(np.abs(x - y).sum()),
        moved,
    )
