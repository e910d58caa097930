"""The rows behind an entity's features, as an agent may read them: what happened, whoever's key it stands on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from features.engine.columns import FOREVER
from features.engine.live.fold import Reached, Way
from serving.live import statements
from serving.live.store import Reading


@dataclass(frozen=True)
class Told:
    """A fact: its source, when it happened (UTC microseconds), the way it is reached, and its own columns."""

    source: str
    id: str
    at: int
    way: Way
    body: Mapping[str, object]


def visible(reading: Reading, reached: Reached, ways: Sequence[Way], sources: Sequence[str]) -> list[Told]:
    """The facts of some sources that count at the reading's cuts, latest first; each once per way."""
    rows = reading.rows(statements.ROWS, reached.keys(ways))
    lives: dict[tuple[str, str], list[tuple]] = {}
    for row in rows:
        if row[1] in sources and max(row[4], row[5]) < reading.seen:
            lives.setdefault((row[1], row[2]), []).append(row)
    standing: dict[int, list[tuple]] = {}
    for life in lives.values():
        life.sort(key=lambda row: max(row[4], row[5]))
        last = life[-1]
        ended = last[6] is not None and last[6] < reading.seen
        if not (last[7] or last[8] or ended):
            standing.setdefault(last[0], []).append(last)
    found = []
    for way in ways:
        low, high = reached.spans[way]
        seen_once: set[tuple[str, str]] = set()
        for key, at_from, at_to, known_from, known_to in reached.rectangles[:, max(low, 0) : high].T.tolist():
            if not known_from < reading.seen <= known_to:
                continue
            for row in standing.get(key, ()):
                if at_from <= row[3] < min(at_to, reading.now, FOREVER) and (row[1], row[2]) not in seen_once:
                    seen_once.add((row[1], row[2]))
                    found.append(Told(row[1], row[2], row[3], way, orjson.loads(row[11])))
    return sorted(found, key=lambda told: (-told.at, told.source, told.id))
