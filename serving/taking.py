"""A decision, taken: from whom the keys name and what is known of them to the bytes of the answer and what is written
down. The same for a call now and for one that is computed again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import orjson

from serving.deciding.answer import JSON, Speaker
from serving.deciding.decide import Decision, Person, decide
from serving.deciding.match import Match, match
from serving.deciding.panel import Panel
from serving.deciding.person import person
from serving.live import journal
from serving.live.feeds import Covered
from serving.live.journal import Entry
from serving.live.known import Known, Named

AWAY = "what is known of customers cannot be reached"


@dataclass(frozen=True)
class Ready:
    """Champions with all that stands ready for them. ``features``: digest of the names their vectors hold;
    ``rules``: of the action catalogue.
    """

    panel: Panel
    speaker: Speaker
    features: str
    rules: str


class Asked(NamedTuple):
    """A call: the id its decision gets, (type, id) of the keys, where, and how many actions at most."""

    id: str
    keys: tuple[tuple[str, int], ...]
    channel: str
    limit: int


class Moment(NamedTuple):
    """The two cuts of a call (UTC microseconds), what is covered then, and how many people are known.

    ``coverage``: digest of what is covered.
    """

    now: int
    seen: int
    covered: Covered
    coverage: str
    people: int


class Taken(NamedTuple):
    """A decision before it is written down: what will be, the vectors it was decided by, and the answer."""

    entry: Entry
    vectors: list[np.ndarray]
    answer: bytes
    decision: Decision
    person: Person

    @property
    def body(self) -> bytes:
        """What is written down."""
        return journal.pack(self.entry, self.vectors)

    def marked(self, reason: str) -> "Taken":
        """The same, its answer marked as degraded for one more reason."""
        degraded = (*self.entry.degraded, reason)
        said = orjson.loads(self.answer)
        answer = orjson.dumps({**said, "degraded": degraded}, option=JSON)
        entry = self.entry._replace(degraded=degraded, answer=journal.digest(answer))
        return self._replace(entry=entry, answer=answer)


def take(known: Known, ready: Ready, asked: Asked, named: Sequence[Named], moment: Moment) -> Taken:
    """The decision about who comes with keys that name somebody each."""
    found = match(asked.keys, named, moment.people)
    return _taken(ready, asked, named, found, person(known, ready.panel, moment.covered, found), moment, ())


def take_blindly(ready: Ready, asked: Asked, moment: Moment) -> Taken:
    """The decision about somebody of whom nothing can be known now."""
    unknown = tuple((kind, False) for kind, _ in asked.keys)
    nobody = Match((), (), unknown, tuple(key for _, key in asked.keys))
    who = Person(ready.panel.space.nothing, False, AWAY, AWAY)
    return _taken(ready, asked, [{} for _ in asked.keys], nobody, who, moment, ("store",))


def _taken(
    ready: Ready,
    asked: Asked,
    named: Sequence[Named],
    found: Match,
    who: Person,
    moment: Moment,
    degraded: tuple[str, ...],
) -> Taken:
    decision = decide(who, ready.panel, asked.channel, asked.limit)
    now, seen, silent = moment.now, moment.seen, moment.covered.silent
    answer = ready.speaker.answer(asked.id, found, who, decision, now, seen, silent, degraded)
    churn = decision.scores.churn
    entry = Entry(
        id=asked.id,
        now=now,
        seen=seen,
        channel=asked.channel,
        limit=asked.limit,
        state=found.state,
        keys=asked.keys,
        named=tuple({str(entity): p for entity, p in one.items()} for one in named),
        entities=found.entities,
        weights=found.weights,
        people=moment.people,
        models=ready.speaker.versions,
        rules=ready.rules,
        covered=moment.coverage,
        features=ready.features,
        offers=tuple((offer.action.id, offer.value, offer.propensity) for offer in decision.offers),
        risk=churn.risk if churn else None,
        degraded=degraded,
        answer=journal.digest(answer),
    )
    return Taken(entry, [ready.panel.told(vector) for vector in who.vectors], answer, decision, who)
