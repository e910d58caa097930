"""What came of a decision: written down beside it, and as a fact about the customer, so that the next one knows."""

import asyncio

from serving.engine import Engine, away
from serving.errors import FieldError, Problem
from serving.live import journal, statements
from serving.live.append import Became, Fact, Key
from serving.live.store import Writing
from serving.schemas import OutcomeRequest
from serving.settings import micros

AHEAD = 300_000_000


async def tell(engine: Engine, asked: OutcomeRequest) -> Became:
    """What became of it. A 404 `Problem` for a decision there is not, 422 for an action it did not hold, or a time
    before it or to come.
    """
    became = await engine.written(lambda writing: _tell(engine, asked, writing))
    if became is None:
        if not await asyncio.to_thread(engine.journalling.catch_up):
            raise away()
        became = await engine.written(lambda writing: _tell(engine, asked, writing))
    if became is None:
        raise Problem(404, "there is no such decision", [FieldError(field="body.decision_id", message="is not known")])
    return became


def _tell(engine: Engine, asked: OutcomeRequest, writing: Writing) -> Became | None:
    """``None``: there is no such decision."""
    kept = journal.find(writing, asked.decision_id)
    if kept is None:
        return None
    if kept.erased:
        raise Problem(404, "this decision was erased, as the person was forgotten")
    entry, _ = journal.unpack(kept.body)
    slot = next((i for i, offer in enumerate(entry.offers, 1) if offer[0] == asked.action), None)
    if slot is None:
        held = ", ".join(offer[0] for offer in entry.offers) or "none"
        message = f"the decision did not hold this action (it held: {held})"
        raise Problem(422, "the outcome does not fit the decision", [FieldError(field="body.action", message=message)])
    at = writing.now if asked.at is None else micros(asked.at)
    if not entry.now <= at <= writing.now + AHEAD:
        message = "is before the decision, or in the future"
        raise Problem(422, "the outcome does not fit the decision", [FieldError(field="body.at", message=message)])
    return _written(engine, entry, slot, asked.response, at, asked.at is not None, writing)


def _written(
    engine: Engine, entry: journal.Entry, slot: int, response: str, at: int, timed: bool, writing: Writing
) -> Became:
    action, _, propensity = entry.offers[slot - 1]
    before = writing.rows(
        "SELECT response, at FROM outcomes WHERE decision = ? AND action = ? ORDER BY stamp DESC LIMIT 1",
        entry.id,
        action,
    )
    if before and before[0][0] == response and (not timed or before[0][1] == at):
        return "known"
    whose = entry.entity if entry.entity is not None else entry.keys[0][1]
    kind = engine.entity if entry.entity is not None else entry.keys[0][0]
    body = {
        "decision": entry.id,
        "action": action,
        "channel": entry.channel,
        "slot": float(slot),
        "propensity": propensity,
        "response": response,
        "origin": "tieline",
    }
    if not writing.rows(statements.TYPES, [whose]):
        stamp = writing.stamp
        writing.run(statements.OUTCOME, f"{entry.id}-{slot}-{stamp}", entry.id, action, response, at, stamp)
        return "revised" if before else "new"  # nothing is known by this key, and a contact alone would say nothing
    # The contact is one fact, at the instant of the decision; each outcome revises what came of it.
    fact = Fact("contact", f"decision-{entry.id}-{slot}", Key(kind, whose, b""), entry.now, body)
    appended = engine.appending.add([fact], writing)
    writing.run(
        statements.OUTCOME, f"{entry.id}-{slot}-{appended.stamp}", entry.id, action, response, at, appended.stamp
    )
    return "revised" if before else "new"
