"""The store as it was at a cut: nothing but rows is read, and none that came later."""

from collections.abc import Iterable, Sequence

from serving.live import statements
from serving.live.known import Body, Known, Named, Ways, packed_rows
from serving.live.store import Reading


class At(Reading):
    """A reading as of ``now`` and ``seen`` (UTC microseconds), through one of the present."""

    def __init__(self, reading: Reading, now: int, seen: int) -> None:
        self._reading, self.now, self._seen = reading, now, seen

    @property
    def seen(self) -> int:
        """The cut of then."""
        return self._seen

    def rows(self, statement: str, *values: object) -> list[tuple]:
        """All rows, also later ones: who makes something of them leaves these out."""
        return self._reading.rows(statement, *values)

    def hold(self, keys: Iterable[int]) -> None:
        """What was known then cannot change any more."""


class Past(Known):
    """What was known then, made from the rows each time."""

    def named(self, keys: Sequence[tuple[str, int]]) -> list[Named]:
        """What each key said then."""
        return [self._name(kind, key) for kind, key in keys]

    def _reach(self, entities: Sequence[int], ways: Ways) -> dict[int, Body]:
        return {entity: ways.unpack(self._made(entity, ways)) for entity in entities}

    def packed(self, keys: Sequence[int]) -> tuple[bytearray, int]:
        """The histories as they were."""
        self.scope.words.refresh(self.reading)
        by_key: dict[int, list[tuple]] = {key: [] for key in keys}
        for row in self.reading.rows(statements.ROWS, list(keys)):
            by_key[row[0]].append(row)
        blobs = [
            packed_rows(key, rows, {}, self.scope.layout, self.scope.words, self.reading.seen)
            for key, rows in by_key.items()
            if rows
        ]
        return bytearray().join(blobs), len(blobs)
