"""`GET /v1/decisions/{id}`: a decision taken again from what was known then, to the last byte."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from running import Service

from serving.live import journal, schema
from serving.schemas import DecisionAnswer, ReplayAnswer

DECISIONS, EVENTS = 120, 80


def told_at_random(service: Service, random: random.Random, i: int) -> list[dict]:
    """Facts about customers who are asked about meanwhile: of each kind, now and then corrected, withdrawn, linked."""
    key = {"type": "customer", "value": random.choice(service.operator.active[20:60])}
    place, at = random.randrange(40), f"2025-09-{random.randint(10, 30):02d}T10:00:00Z"
    facts = [
        {"source": "journey", "id": f"j{place}", "key": key, "at": at, "phase": "ask", "channel": "web",
         "topic": f"topic {place}"},
        {"source": "usage", "id": f"u{place}", "key": key, "at": at, "metric": "bill", "value": float(i)},
        {"source": "profile", "id": f"p{place}", "key": key, "at": at,
         "status": random.choice(["active", "active", "left"])},
        {"source": "profile", "id": f"c{place}", "key": key, "at": at, "consent_profiling": random.random() < 0.5},
        {"source": "evidence", "id": f"e{place}", "key": {"type": "cookie", "value": f"shared {place % 5}"},
         "other": key, "at": at, "state": random.choice(["linked", "unlinked"])},
    ]  # fmt: skip
    chosen = random.sample(facts, random.randint(1, 3))
    return [fact | {"void": True} if random.random() < 0.2 else fact for fact in chosen]


@pytest.mark.slow
def test_decisions_and_events_under_load_replay_identically(told: Service) -> None:
    seeded = random.Random(7)

    def decide(i: int) -> str:
        keys = [("customer", seeded.choice(told.operator.active[20:60]))]
        if i % 3 == 0:
            keys = [("cookie", f"shared {i % 5}"), *(keys if i % 2 else [])]
        answer = told.ask(*keys, channel=seeded.choice(["web", "app", "call_center"]))
        assert answer.status_code == 200, answer.text
        told_of = DecisionAnswer.model_validate_json(answer.content)
        assert told_of.degraded == []
        if i % 4 == 0:
            assert told.tell(told_of.decision_id, told_of.actions[0].action, "shown").status_code == 200
        return told_of.decision_id

    def say(i: int) -> str:
        answer = told.say(*told_at_random(told, seeded, i))
        assert answer.status_code in (200, 422), answer.text
        return ""

    works = [decide] * DECISIONS + [say] * EVENTS
    seeded.shuffle(works)
    with ThreadPoolExecutor(8) as pool:
        ids = [found for found in pool.map(lambda pair: pair[1](pair[0]), enumerate(works)) if found]
    assert len(set(ids)) == DECISIONS
    replays = [ReplayAnswer.model_validate_json(told.replay(decision).content) for decision in ids]
    assert {(r.identical, tuple(r.differs)) for r in replays} == {(True, ())}
    states = {r.answer.match.state for r in replays}
    assert {"identified", "unidentified"} <= states
    assert len({r.answer.churn.status for r in replays}) > 1


def test_a_replay_shows_the_answer_that_left(told: Service) -> None:
    answer = told.ask(("customer", told.operator.active[14]))
    replay = told.replay(answer.json()["decision_id"]).json()
    assert replay["answer"] == answer.json()
    assert replay["at"] == answer.json()["cuts"]["windows_end"]


def test_what_does_not_come_out_the_same_is_told(told: Service) -> None:
    decision = told.ask(("customer", told.operator.active[15])).json()["decision_id"]

    def change(writing) -> None:
        entry, vectors = journal.unpack(journal.find(writing, decision).body)
        table = schema.DECISIONS
        body = journal.pack(entry, [np.roll(vectors, 1)])
        writing.core.execute(table.update().where(table.c.id == decision).values(body=body))

    told.engine.journalling.deliver()
    told.engine.store.write(change).result()
    replay = told.replay(decision).json()
    assert (replay["identical"], replay["differs"]) == (False, ["vector"])


def test_of_a_forgotten_person_only_the_erasure_is_left(told: Service) -> None:
    answer = told.ask(("customer", told.operator.active[16])).json()
    decision = answer["decision_id"]

    def erase(writing) -> None:
        table = schema.DECISIONS
        writing.core.execute(table.update().where(table.c.id == decision).values(erased=True, entity=None, body=b""))

    told.engine.journalling.deliver()
    told.engine.store.write(erase).result()
    replay = told.replay(decision).json()
    assert (replay["erased"], replay["identical"], replay["answer"]) == (True, None, None)
    outcome = told.tell(decision, answer["actions"][0]["action"], "shown")
    assert (outcome.status_code, "erased" in outcome.json()["detail"]) == (404, True)


def test_a_decision_there_is_not_is_404_and_an_id_that_is_none_422(told: Service) -> None:
    assert told.replay("0" * 32).status_code == 404
    for wrong in ("x", "0" * 33, "%00", "%20", "' OR 1=1", "A" * 32, "0" * 31 + "%0A"):
        answer = told.replay(wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["errors"][0]["field"] == "path.decision_id"
