"""What is known of whoever comes with some keys, at one reading of the store."""

import numpy as np

from features.conditions import DAY
from features.declare import Task
from features.engine.columns import EVER_AGO, FOREVER
from features.engine.live.fold import OWN, Reached
from features.engine.live.packed import unpack
from features.visitors import latest_visit
from serving.deciding.decide import Person
from serving.deciding.match import Match
from serving.deciding.panel import WORDS, Panel, objects
from serving.deciding.scores import Candidates, Visitor
from serving.deciding.vector import Vector
from serving.live.feeds import Covered
from serving.live.known import Known

_RECENT = 7 * DAY
"""So long after a visit it tells what comes; how likely a customer was here it tells for good."""

_NOT_ONE = {
    "one": "it is not certain enough that it is this customer, and no score of them may be given",
    "ambiguous": "it is open which customer it is, and of too few of them a score may be given",
    "unidentified": "no customer is known by these keys",
}


def person(known: Known, panel: Panel, covered: Covered, found: Match) -> Person:
    """What is known of the one candidate, of each of several, or of keys without a name."""
    if found.state == "unidentified":
        return _stranger(known, panel, covered, found)
    if found.state == "ambiguous":
        return _one_of(known, panel, covered, found)
    vector = customer(known, panel, covered, found.entities[0])
    if objects(panel, vector):
        kept = vector.only(panel.ground.policy.catalogue.reads_of_objectors)
        return Person(kept, True, WORDS, WORDS, objects=True)
    ground = panel.ground
    return Person(vector, True, _not_eligible(ground.churn, vector), _not_eligible(ground.needs, vector))


def customer(known: Known, panel: Panel, covered: Covered, entity: int) -> Vector:
    """Everything an answer reads of one customer."""
    fold, cutoff, seen = panel.fold(), known.reading.now, known.reading.seen
    reached = known.reached(entity, fold.ways, cutoff)
    packed, keys = known.packed(reached.keys(fold.ways))
    values = fold.values(packed, keys, reached, covered.coverage, covered.version, cutoff, seen)
    return panel.space.vector(values, known.said)


def _stranger(known: Known, panel: Panel, covered: Covered, found: Match) -> Person:
    """Nobody is known by these keys: their own facts are read together, as of the last visit that is visible, where
    there is a model of visitors.
    """
    why, visitors = _NOT_ONE["unidentified"], panel.ground.catalog.visitors
    unknown = Person(panel.space.nothing, False, why, why)
    keys = [i for i, (kind, _) in zip(found.ids, found.keys, strict=True) if visitors and kind in visitors.keys]
    if visitors is None or not keys or not panel.visitors:
        return unknown
    keys = list(dict.fromkeys(keys))
    packed, held = known.packed(keys)
    at = _last_visit(bytes(packed), panel, known.reading.seen)
    if at is None:
        return unknown._replace(visitor=Visitor(None))
    # Trees that learned just after visits know nothing of later: the vector is that of the visit.
    ever = [np.full(len(keys), instant) for instant in (EVER_AGO, FOREVER, EVER_AGO, FOREVER)]
    reached = Reached(np.array([keys, *ever], np.int64), {(OWN, ""): (0, len(keys))})
    values = panel.visitors_fold().values(packed, held, reached, covered.coverage, covered.version, at, at)
    vector = panel.visitors_space.vector(values, known.said)
    return unknown._replace(visitor=Visitor(vector, at, known.reading.now - at <= _RECENT))


def _last_visit(packed: bytes, panel: Panel, now: int) -> int | None:
    """Just after the last visit with one of the keys of packed bytes became known."""
    layout, visitors = panel.ground.layout, panel.ground.catalog.visitors
    assert visitors is not None
    place = next(i for i in layout.of_visitors if layout.sections[i].source == visitors.asked.source)
    bit = np.uint64(1) << np.uint64(layout.sections[place].filters.index(visitors.asked.conditions))
    found, start = [], 0
    while start < len(packed):
        size = 8 * int(np.frombuffer(packed, np.int64, 1, start + 8)[0])
        rows = unpack(packed[start : start + size], layout).get(place)
        if rows is not None:
            found.append(rows.take(np.flatnonzero(rows.bits & bit)))
        start += size
    if not found:
        return None
    known, until, rank = (np.concatenate([getattr(rows, n) for rows in found]) for n in ("known", "until", "rank"))
    return latest_visit(known, until, rank, now)


def _one_of(known: Known, panel: Panel, covered: Covered, found: Match) -> Person:
    """Several candidates, or one who is not certain: each as they stand, without those who object."""
    vectors = [customer(known, panel, covered, entity) for entity in found.entities]
    objecting = np.array([objects(panel, vector) for vector in vectors])
    asked = [vector for vector, no in zip(vectors, objecting, strict=True) if not no]
    churn = np.array([vector.meets(panel.ground.churn.eligible) for vector in asked], bool)
    needs = np.array([vector.meets(panel.ground.needs.eligible) for vector in asked], bool)
    why = _NOT_ONE["one" if len(found.entities) == 1 else "ambiguous"]
    weights = np.array(found.weights)
    several = Candidates(asked, weights[~objecting], churn, needs, float(weights.sum()))
    return Person(
        panel.space.nothing,
        False,
        None if several.may_be_mixed(churn) else why,
        None if several.may_be_mixed(needs) else why,
        objects=bool(objecting.any()),
        candidates=several,
    )


def _not_eligible(task: Task, vector: Vector) -> str | None:
    """Why a task may not be asked about this customer: the rule training draws its rows with."""
    if vector.meets(task.eligible):
        return None
    rules = ", ".join(f"{r.feature} {r.operator} {'' if r.value is None else r.value}".strip() for r in task.eligible)
    return f"the customer does not meet what the task asks for: {rules}"
