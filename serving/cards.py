"""Everything about one customer on a page: journey, faults, promises, scores, past decisions; and an account."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from sqlalchemy import select

from features.conditions import DAY
from features.engine.live.fold import OWN, VIA, Reached
from features.facts import PHASES
from features.identity.graph.graph import Graph
from models.rollup import Members, roll_up
from serving.deciding.answer import JSON, cuts
from serving.deciding.decide import scores
from serving.deciding.match import Match, match
from serving.deciding.panel import objects
from serving.deciding.person import customer, person
from serving.engine import Engine, away
from serving.errors import FieldError, Problem
from serving.live import journal, schema
from serving.live.known import Known
from serving.live.nearby import Nearby
from serving.live.store import StoreAway
from serving.live.told import Told, visible
from serving.settings import instant

_MONTH, _QUARTER = 30 * DAY, 90 * DAY
_SHOWN = 20
_SOURCES = ("journey", "faults", "sla")
_MOST_MEMBERS = 200


def customer_card(engine: Engine, name: str) -> bytes:
    """What `CustomerCard` declares; a 404 `Problem` where nobody is known by the key."""
    try:
        with engine.store.reading() as reading:
            known, key = engine.known(reading), _key(engine, engine.entity, name)
            reading.hold([key])
            named = known.named([(engine.entity, key)])
            if not named[0]:
                raise Problem(404, f"no {engine.entity} is known by this key")
            moment = engine.moment(reading)
            found = match([(engine.entity, key)], named, moment.people)
            ready = engine.ready
            who = person(known, ready.panel, moment.covered, found)
            told = _told(known, found)
            said = ready.speaker.said(found, who, scores(who, ready.panel))
        card = {**said, **_journey(told, reading.now), "decisions": _decisions(engine, int(found.entities[0]))}
    except StoreAway as error:
        raise away() from error
    if known.kept:
        engine.store.write(known.keep)
    instants = cuts(reading.now, reading.seen, moment.covered.silent)
    return orjson.dumps({**card, "model": ready.speaker.model, "cuts": instants}, option=JSON)


def account_card(engine: Engine, name: str) -> bytes:
    """What `AccountCard` declares; a 404 `Problem` where no account is known by the key."""
    try:
        with engine.store.reading() as reading:
            known, key = engine.known(reading), _key(engine, "account", name)
            if key not in known.types([key]):
                raise Problem(404, "no account is known by this key")
            members = _members(known, key)
            ready, moment = engine.ready, engine.moment(reading)
            vectors = [customer(known, ready.panel, moment.covered, member) for member in members[:_MOST_MEMBERS]]
    except StoreAway as error:
        raise away() from error
    panel, label = ready.panel, ready.panel.label
    task, value = panel.ground.churn, panel.ground.policy.catalogue.customer_value.monthly_value
    days = [edge // DAY for edge in panel.churn.model.edges]
    asked = [v.meets(task.eligible) and not objects(panel, v) for v in vectors]
    p = np.full((len(vectors), len(days)), np.nan)
    for i, (vector, yes) in enumerate(zip(vectors, asked, strict=True)):
        if yes:
            p[i] = panel.churn.curves(vector)[label]
    worth = np.array([_number(vector.value(value)) for vector in vectors])
    rolled = roll_up(Members(np.zeros(len(vectors), np.int64), p, worth)) if vectors else None
    bands = Counter(panel.churn.model.band(label, float(p[i, -1])) for i, yes in enumerate(asked) if yes)
    said = {
        "members": len(members),
        "scored": int(sum(asked)),
        "bands": {band: bands.get(band, 0) for band in ("low", "medium", "high")},
        "leavers": _by_day(days, None if rolled is None else rolled.leavers[0]),
        "at_risk": _by_day(days, None if rolled is None else rolled.at_risk[0]),
        "any_leaves": {
            "together": _by_day(days, None if rolled is None else rolled.any_together[0]),
            "apart": _by_day(days, None if rolled is None else rolled.any_apart[0]),
        },
        "model": ready.speaker.model,
        "cuts": cuts(moment.now, moment.seen, moment.covered.silent),
    }
    return orjson.dumps(said, option=JSON)


def _key(engine: Engine, kind: str, name: str) -> int:
    if kind not in engine.ground.catalog.key_types:
        raise Problem(404, f"this workspace has no keys of the type '{kind}'")
    try:
        return engine.resources.keyring.key_id(kind, name)
    except ValueError as error:
        raise Problem(
            422, "the key cannot be read", [FieldError(field=f"path.{kind}_id", message=str(error))]
        ) from None


def _told(known: Known, found: Match) -> list[Told]:
    """What happened to the customer, and where they live."""
    fold_ways = [(OWN, ""), *((VIA, parent) for parent in known.scope.ways.parents if parent == "site")]
    reached: Reached = known.reached(int(found.entities[0]), fold_ways, known.reading.now)
    return visible(known.reading, reached, fold_ways, _SOURCES)


def _journey(told: Sequence[Told], now: int) -> dict[str, Any]:
    """The ring of phases, the faults and the promises."""
    own = [one for one in told if one.way[0] == OWN]
    ring = {}
    for phase in PHASES:
        touches = [one for one in own if one.source == "journey" and one.body.get("phase") == phase]
        ring[phase] = {
            "last_30_days": sum(one.at >= now - _MONTH for one in touches),
            "last_90_days": sum(one.at >= now - _QUARTER for one in touches),
            "last": _touch(touches[0]) if touches else None,
        }
    faults = [one for one in told if one.source == "faults"]
    cleared = {one.body.get("case") for one in faults if one.body.get("state") == "cleared"}
    promises = [one for one in told if one.source == "sla"]
    return {
        "journey": ring,
        "touches": [_touch(one) for one in own if one.source == "journey"][:_SHOWN],
        "faults": [
            {
                "at": instant(one.at),
                "where": "line" if one.way[0] == OWN else "site",
                "state": one.body.get("state"),
                "open": one.body.get("state") == "opened" and one.body.get("case") not in cleared,
                "severity": one.body.get("severity"),
                "category": one.body.get("category"),
                "minutes": one.body.get("minutes"),
                "planned": one.body.get("planned"),
            }
            for one in faults[:_SHOWN]
        ],
        "promises": [
            {
                "at": instant(one.at),
                "metric": one.body.get("metric"),
                "target": one.body.get("target"),
                "actual": one.body.get("actual"),
                "breached": one.body.get("breached"),
                "credit": one.body.get("credit"),
            }
            for one in promises[:_SHOWN]
        ],
    }


def _touch(one: Told) -> dict[str, Any]:
    names = ("phase", "channel", "action", "topic", "outcome", "sentiment")
    return {"at": instant(one.at), **{name: one.body.get(name) for name in names}}


def _decisions(engine: Engine, entity: int) -> list[dict[str, Any]]:
    """The last decisions about a customer, latest first, with what came of them."""
    engine.journalling.catch_up()
    table, outcomes = schema.DECISIONS.c, schema.OUTCOMES.c
    query = select(table.id, table.at, table.body).where(table.entity == entity, ~table.erased)
    with engine.store.engine.connect() as core:
        rows = core.execute(query.order_by(table.at.desc()).limit(_SHOWN)).all()
        ids = [row[0] for row in rows]
        told = select(outcomes.decision, outcomes.action, outcomes.response).where(outcomes.decision.in_(ids))
        came: dict[tuple[str, str], str] = {
            (decision, action): response for decision, action, response in core.execute(told.order_by(outcomes.stamp))
        }
    found = []
    for decision, at, body in rows:
        entry, _ = journal.unpack(bytes(body))
        actions = [{"action": action, "response": came.get((decision, action))} for action, _, _ in entry.offers]
        found.append(
            {
                "decision_id": decision,
                "at": instant(at),
                "channel": entry.channel,
                "risk": entry.risk,
                "actions": actions,
            }
        )
    return found


def _members(known: Known, account: int) -> list[int]:
    """The customers who belong to an account now."""
    nearby = Nearby(known.reading, known.scope.catalog)
    nearby.below([account])
    graph, _ = nearby.graph()
    now, seen = known.reading.now, known.reading.seen
    found = set()
    for link, frame in graph.links.items():
        if link.child == known.scope.entity_type and link.parent == "account":
            here = frame[(frame["parent"] == account) & (frame["at_from"] <= now) & (now < frame["at_to"])]
            here = here[(here["known_from"] < seen) & (seen <= here["known_to"])]
            found |= {_head(graph, known.scope.entity_type, int(child), seen) for child in here["child"]}
    return sorted(found)


def _head(graph: Graph, kind: str, key: int, seen: int) -> int:
    members = graph.members(kind)
    mine = members[(members["child"] == key) & (members["known_from"] < seen) & (seen <= members["known_to"])]
    return int(mine["parent"].iloc[0]) if len(mine) else key


def _number(value: object) -> float:
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def _by_day(days: Sequence[int], values: np.ndarray | None) -> dict[str, float | None]:
    if values is None:
        return dict.fromkeys(map(str, days))
    return {str(day): None if np.isnan(value) else float(value) for day, value in zip(days, values, strict=True)}
