"""A decision taken while much else happened is computed again bit for bit."""

import json
from pathlib import Path

import pytest
from served_alone import Caller, base_home, served, until
from small_operator import Operator
from under_load import Load, held, kept_of, visits_before


@pytest.mark.parametrize("decisions", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_decisions_taken_under_load_replay_identically(operator: Operator, tmp_path: Path, decisions: int) -> None:
    with served(*base_home(operator, tmp_path)) as service:
        before = visits_before(operator, service)
        with Load(service, operator, clients=6, linking=15) as load:
            until(lambda: load.decided >= decisions, 1_500)
        caller, replayed = Caller(service), []
        for noted in load.noted:
            for decision in noted.decisions:
                status, body, _ = caller.send("GET", f"/v1/decisions/{decision}")
                assert status == 200
                replayed.append(json.loads(body))
        caller.close()
        assert service.stop() == 0
        kept = kept_of(service.store)
    assert held(load, kept, before) > decisions // 2
    assert {"identified", "unidentified"} <= {entry.state for entry in kept.decisions.values()}
    assert sum(rows == 2 for noted in load.noted for rows in noted.events.values()) > decisions // 20
    assert sum(len(noted.outcomes) for noted in load.noted) > decisions // 20
    assert len(replayed) >= decisions
    assert [(said["decision_id"], said["differs"]) for said in replayed if said["identical"] is not True] == []
