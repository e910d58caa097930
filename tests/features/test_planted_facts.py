"""Through the whole road (SELECT form -> checks -> lake -> history): planted facts of the future change no feature.

Each plant breaks exactly one part of the rule of time; the control plant, which breaks none, does change features, so
that the comparison is known to see something.
"""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.facts import TIME
from features.history import History
from features.identity.keys import KeyRing
from features.ingest import append_facts
from features.lake import Lake
from features.workspace import load_workspace

CUTOFF = datetime(2025, 3, 1, tzinfo=UTC)
MICROS = int(CUTOFF.timestamp()) * 10**6
COVERED = [(MICROS - 200 * 86_400_000_000, MICROS + 200 * 86_400_000_000)]
RING = KeyRing(b"sixteen bytes or more")
CATALOG = load_workspace().catalog


def days(n: float) -> datetime:
    return CUTOFF + timedelta(days=n)


def add(lake: Lake, source: str, *rows: dict[str, object]) -> None:
    times = {"at", "known_at", "contract_end", "active_since"}
    names = {name for row in rows for name in row}
    columns = {n: pa.array([r.get(n) for r in rows], TIME if n in times else None) for n in names}
    receipt = append_facts(lake, RING, source, pa.table(columns), key_types=CATALOG.key_types, covered=COVERED)
    assert receipt.quarantined == 0, lake.quarantine().to_pylist()


def touch(id: str, kind: str, key: str, at: float, known: float, **more: object) -> dict[str, object]:
    row = {"id": id, "key_type": kind, "key": key, "at": days(at), "known_at": days(known)}
    return {
        **row,
        "phase": "ask",
        "channel": "chat",
        "action": "complain",
        "outcome": "open",
        "sentiment": -0.5,
        **more,
    }


def link(id: str, kind: str, key: str, to: tuple[str, str], at: float, known: float) -> dict[str, object]:
    row = {"id": id, "key_type": kind, "key": key, "at": days(at), "known_at": days(known)}
    return {**row, "other_type": to[0], "other": to[1], "state": "linked"}


ME = ("customer", "C1")
OTHER_TOUCH = {"action": "chat", "outcome": "solved", "sentiment": 0.75}

PLANTS = {
    "it happens later": ("journey", touch("p", *ME, at=1, known=-1)),
    "it happens at the cutoff": ("journey", touch("p", *ME, at=0, known=-1)),
    "it is known later": ("journey", touch("p", *ME, at=-2, known=1)),
    "it is known at the cutoff": ("journey", touch("p", *ME, at=-2, known=0)),
    "it is revised later": ("journey", touch("call", *ME, at=-5, known=1, **OTHER_TOUCH)),
    "it is withdrawn later": ("journey", touch("call", *ME, at=-5, known=1, void=True)),
    "its key is linked later": ("evidence", link("later", "cookie", "anonymous", ME, at=-8, known=1)),
    "its key belonged to me only before": ("journey", touch("p", "msisdn", "+32470000001", at=-2, known=-1)),
    "it is of somebody else": ("journey", touch("p", "customer", "C2", at=-2, known=-1)),
}


@pytest.fixture(scope="module")
def unplanted(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("unplanted") / "lake")
    add(lake, "journey", touch("call", *ME, at=-5, known=-5), touch("visit", "cookie", "anonymous", at=-9, known=-9))
    number = "msisdn", "+32470000001"
    add(
        lake,
        "evidence",
        link("first", *number, ME, at=-300, known=-300),
        link("second", *number, ("customer", "C2"), at=-10, known=-9),
    )
    known = {"at": days(-100), "known_at": days(-99), "key_type": ME[0], "key": ME[1]}
    add(lake, "profile", {"id": "profile", **known, "status": "active"})
    return lake


@pytest.fixture(scope="module")
def before(unplanted: Lake) -> pd.DataFrame:
    return features(unplanted)


@pytest.fixture
def lake(unplanted: Lake, tmp_path: Path) -> Lake:
    return Lake(shutil.copytree(unplanted.root, tmp_path / "lake"))


def features(lake: Lake) -> pd.DataFrame:
    history = History.load(lake, CATALOG)
    me = np.array([RING.key_id(*ME)])
    return history.frame("customer", me, np.array([MICROS]), CATALOG.features)


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("compacted", [False, True], ids=["as appended", "compacted"])
def test_a_planted_fact_changes_no_feature(lake: Lake, before: pd.DataFrame, plant: str, compacted: bool) -> None:
    source, row = PLANTS[plant]
    add(lake, source, row)
    if compacted:
        lake.compact()
    pd.testing.assert_frame_equal(features(lake).astype(object), before.astype(object), check_exact=True)


def test_the_control_plant_is_seen(lake: Lake, before: pd.DataFrame) -> None:
    add(lake, "journey", touch("p", *ME, at=-2, known=-1))
    changed = features(lake).astype(object).ne(before.astype(object)) & features(lake).notna()
    assert changed["journey_action_complain_count_90d"].iloc[0]
    add(lake, "evidence", link("now", "cookie", "anonymous", ME, at=-8, known=-1))
    assert features(lake)["journey_action_complain_count_90d"].iloc[0] == 3
