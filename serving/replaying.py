"""A decision computed again, from the rows that were known then and the models and rules of then."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson
from sqlalchemy import select

from models import bundle
from models.bundle import BundleError
from models.nba.load import CatalogueError
from models.nba.policy import Policy
from models.registry import Registry, RegistryError
from serving.champion import Champion, Champions
from serving.deciding.answer import JSON, Speaker
from serving.deciding.panel import Ground, Panel
from serving.engine import Engine, away
from serving.errors import Problem
from serving.live import journal, schema, statements
from serving.live.feeds import Covered
from serving.live.journal import Entry
from serving.live.past import At, Past
from serving.live.store import Reading, StoreAway
from serving.resources import read_actions
from serving.settings import instant
from serving.taking import Asked, Moment, Ready, Taken, take, take_blindly


class LostError(Exception):
    """Something a decision was taken with is not there any more; the message says what."""


def replay(engine: Engine, decision_id: str) -> bytes:
    """What `ReplayAnswer` declares; a 404 `Problem` for a decision there is not."""
    try:
        with engine.store.reading() as reading:
            there = journal.find(reading, decision_id) is not None
        if not there and not engine.journalling.catch_up():
            raise away()
        with engine.store.reading() as reading:
            kept = journal.find(reading, decision_id)
            if kept is None:
                raise Problem(404, "there is no such decision")
            said = {"decision_id": kept.id, "at": instant(kept.at), "erased": kept.erased, "identical": None}
            said |= {"differs": [], "answer": None, "outcomes": _outcomes(engine, decision_id)}
            if not kept.erased:
                said |= _again(engine, reading, *journal.unpack(kept.body))
    except StoreAway as error:
        raise away() from error
    return orjson.dumps(said, option=JSON)


def _again(engine: Engine, reading: Reading, entry: Entry, vectors: np.ndarray) -> dict[str, object]:
    try:
        taken = recomputed(engine, reading, entry)
    except LostError as lost:
        return {"identical": None, "differs": [str(lost)]}
    differs = _differs(entry, vectors, taken)
    return {"identical": not differs, "differs": differs, "answer": orjson.Fragment(taken.answer)}


def recomputed(engine: Engine, reading: Reading, entry: Entry) -> Taken:
    """The decision, taken again. Raises `LostError`."""
    ready = _ready_of(engine, reading, entry)
    covered = _covered(reading, entry.covered)
    moment = Moment(entry.now, entry.seen, covered, entry.covered, entry.people)
    asked = Asked(entry.id, entry.keys, entry.channel, entry.limit)
    if "store" in entry.degraded:
        taken = take_blindly(ready, asked, moment)
    else:
        past = Past(At(reading, entry.now, entry.seen), engine.scope)
        taken = take(past, ready, asked, past.named(entry.keys), moment)
    return taken.marked("journal") if "journal" in entry.degraded else taken


def _differs(entry: Entry, vectors: np.ndarray, taken: Taken) -> list[str]:
    """What is not as it was written down."""
    names = ("state", "named", "entities", "weights", "offers", "risk", "answer")
    found = [name for name in names if getattr(entry, name) != getattr(taken.entry, name)]
    again = np.concatenate([np.empty(0, np.float32), *taken.vectors])
    same = len(again) == len(vectors) and (again.view(np.uint32) == vectors.view(np.uint32)).all()
    return found if same else ["vector", *found]


def _ready_of(engine: Engine, reading: Reading, entry: Entry) -> Ready:
    """The models and rules of a decision: those that answer now where they are the same, else the registered ones."""
    ready = engine.ready
    if ready.rules != entry.rules:
        ground = Ground(engine.ground.catalog, engine.ground.layout, _policy(engine, reading, entry.rules))
    else:
        ground = engine.ground
    if ready.speaker.versions != entry.models or ground is not engine.ground:
        panel = Panel(_champions(engine, entry.models), ground)
        ready = Ready(panel, Speaker(panel), "", entry.rules)
    features = orjson.dumps(ready.panel.names)
    if journal.digest(features) != entry.features:
        raise LostError("the catalogue declares other features now than the models read then")
    return ready if ready.features else Ready(ready.panel, ready.speaker, entry.features, entry.rules)


def _policy(engine: Engine, reading: Reading, digest: str) -> Policy:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "actions.yaml"
        path.write_bytes(_text(reading, digest, "the action catalogue"))
        try:
            return Policy(read_actions(path, engine.resources.workspace))
        except CatalogueError as error:
            raise LostError(f"the action catalogue of then does not fit the features of now: {error}") from error


def _champions(engine: Engine, models: Mapping[str, tuple[int, str]]) -> Champions:
    """The registered models by their versions, each checked to be the very one."""
    registry, workspace = Registry(engine.settings.models), engine.resources.workspace
    found = {}
    for name, (version, model_id) in models.items():
        task, _, visitors = name.partition(".")
        registered = workspace.model_name(task) + (f".{visitors}" if visitors else "")
        try:
            with registry.opened(registered, version) as folder:
                found[name] = Champion(version, bundle.load(folder, expected=model_id))
        except (RegistryError, BundleError) as error:
            raise LostError(f"'{registered}' version {version} is not to be had: {error}") from error
    visitors_of = {name.partition(".")[0]: c for name, c in found.items() if "." in name}
    return Champions(found["churn"], found["needs"], visitors_of)


def _covered(reading: Reading, digest: str) -> Covered:
    coverage, silent = orjson.loads(_text(reading, digest, "what was covered"))
    intervals = {name: tuple((low, high) for low, high in spans) for name, spans in coverage.items()}
    return Covered(int(digest[:15], 16), intervals, tuple(silent), {})


def _text(reading: Reading, digest: str, what: str) -> bytes:
    rows = reading.rows(statements.TEXT, digest)
    if not rows:
        raise LostError(f"{what} of then is not there any more")
    return bytes(rows[0][0])


def _outcomes(engine: Engine, decision_id: str) -> list[dict[str, object]]:
    table = schema.OUTCOMES.c
    query = select(table.action, table.response, table.at).where(table.decision == decision_id).order_by(table.stamp)
    with engine.store.engine.connect() as core:
        return [{"action": a, "response": r, "at": instant(at)} for a, r, at in core.execute(query)]
