"""The numbers that stand for words in packed bytes."""

from collections.abc import Iterable

from features.engine.live.layout import Layout
from serving.live.statements import NEW_WORD, WORD
from serving.live.store import NUMBERS, Reading, Writing

_ALL = "SELECT code, source, name, word FROM words WHERE code > ?"


class Words:
    """The words of a store, remembered as they are met; numbers never change. Safe to share between threads."""

    def __init__(self, layout: Layout) -> None:
        self._codes: dict[tuple[str, str, str], int] = {}
        self._words: dict[int, str] = {}
        self._last = 0
        self._open = {
            (section.source, name)
            for section in layout.sections
            for name in section.codes
            if section.declared(name) is None
        }

    def refresh(self, reading: Reading) -> None:
        """Learn the words that came since."""
        for code, source, name, word in reading.rows(_ALL, self._last):
            self._codes[source, name, word] = code
            self._words[code] = word
            self._last = max(self._last, code)

    def of(self, source: str, body: dict[str, object]) -> list[tuple[str, str, str]]:
        """The words of a row that need a number."""
        return [
            (source, name, str(value))
            for name, value in body.items()
            if value is not None and (source, name) in self._open
        ]

    def learn(self, writing: Writing, words: Iterable[tuple[str, str, str]]) -> None:
        """Give numbers to words that have none yet; what this writing gives is remembered only once it is read.

        Asked for before the stamp. One writing at a time gives numbers, so that they rise with the commits and whoever
        reads those after the last one misses none.
        """
        unknown = [word for word in dict.fromkeys(words) if word not in self._codes and not writing.rows(WORD, *word)]
        if unknown:
            writing.hold([NUMBERS])
            writing.run_many(NEW_WORD, unknown)

    def code(self, source: str, name: str, word: str) -> int:
        """The number of a word; `KeyError` for one that has none."""
        return self._codes[source, name, word]

    def said(self, code: int) -> str:
        """The word a number stands for; `KeyError` for one that was not met yet."""
        return self._words[code]

    def known(self, source: str, name: str, word: str) -> bool:
        """Whether the number is remembered."""
        return (source, name, word) in self._codes
