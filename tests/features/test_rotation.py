"""A new secret: every id and hash changes, no feature does, and killed at any point it can be finished."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from forgotten_person import add, journey
from private_operator import Operator, opened, operator
from usage_rows import keys, row, table

from features.catalog import CATALOG
from features.identity.keys import SECRET_VARIABLE, KeyRing, load_secrets
from features.identity.registers.propose import Proposals
from features.identity.registers.proposed import append_proposals, evidence
from features.ingest import append_facts
from features.lake import Lake, LakeError
from features.lake.rekeying import rekeyed
from features.privacy import rotation
from features.privacy.forget import forget
from features.privacy.rotation import rotate
from features.privacy.scan import scan
from features.privacy.secrets import SecretError, open_keyring

SIZE = (80, 3)
OLD, NEW = "an old secret, long enough", "a new secret, long enough"
FIRST, DAY = datetime(2025, 3, 1, tzinfo=UTC), timedelta(days=1)


@pytest.fixture
def small(tmp_path, monkeypatch) -> Operator:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    return operator(tmp_path, *SIZE)


def ids(operator: Operator) -> list[int]:
    return [operator.ring.key_id("customer", name) for name in operator.names["customer"]]


def test_every_id_changes_and_no_feature_does(small):
    names = small.names["customer"]
    before, old, entries = small.frame(names), ids(small), small.lake.keys()
    done = rotate(small.home)
    assert (done.generation, done.lakes, done.complete, done.stored) == (1, ("telecom",), True, True)
    hashes = entries["hash"].to_pylist()
    assert scan(small.home, [*old[:40], *hashes[:40]]) == ()
    after = opened(small.home, *SIZE)
    assert not set(ids(after)) & set(old)
    pd.testing.assert_frame_equal(after.frame(names), before, check_exact=True)
    after.lake.verify()


def test_the_same_feeds_add_nothing_after_a_rotation_also_of_the_forgotten(small):
    forget(small.lake, CATALOG, small.ring, "customer", small.moved.former)
    rotate(small.home)
    after = opened(small.home, *SIZE)
    other = small.names["customer"][4]
    forget(after.lake, CATALOG, after.ring, "customer", other)
    rotate(small.home)
    receipts = opened(small.home, *SIZE).again()
    assert sum(r.kept + r.revised + r.quarantined for r in receipts) == 0
    assert sum(r.suppressed for r in receipts) > 20
    assert scan(small.home, [small.moved.former, other]) == ()


def test_a_ring_of_before_may_not_write_after(small):
    rotate(small.home)
    with pytest.raises(LakeError, match="of generation 1 of the secret"):
        add(small, "journey", journey({"id": "late", "key": small.moved.former}))


def test_an_append_under_way_is_refused_and_one_that_came_between_is_brought_along(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("usage", table(row("a")), keys=keys(1))

    def meanwhile(done: int, total: int) -> None:
        if done == 1:
            lake.append("usage", table(row("b", key_id=2)), keys=keys(2))

    with lake.stage("usage") as staging:
        staging.add(table(row("c")), keys(1))
        rekeyed(lake.root, NEW.encode(), 1, meanwhile)
        with pytest.raises(LakeError, match="rotated meanwhile"):
            staging.commit()
    rows = lake.read("usage")
    assert sorted(rows["id"].to_pylist()) == ["a", "b"]
    assert set(rows["key_id"].to_pylist()) == set(lake.keys()["key_id"].to_pylist())
    assert not {1, 2} & set(rows["key_id"].to_pylist())


def test_quarantined_rows_are_recognised_when_they_come_again(tmp_path):
    lake, old = Lake(tmp_path / "lake"), keys(1)
    lake.append("usage", table(row("a", 1.0), row("a", 2.0)), keys=old)
    rekeyed(lake.root, NEW.encode(), 1)
    [key_id] = lake.keys()["key_id"].to_pylist()
    again = table(row("a", 1.0, key_id=key_id), row("a", 2.0, key_id=key_id))
    lake.append("usage", again, keys=lake.keys())
    assert lake.quarantine().num_rows == 1
    assert str(key_id) in lake.quarantine()["row"][0].as_py()


def test_a_leaked_secret_no_longer_opens_what_was_proposed_and_later_runs_still_find_it(tmp_path, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    home = tmp_path / "home"
    lake = Lake(home / "lakes" / "telecom")
    ring = open_keyring(home, lake)
    told = {"key_types": CATALOG.key_types, "links": CATALOG.links}
    append_proposals(lake, ring, proposed("C1", "C2"), FIRST, **told)
    append_proposals(lake, ring, proposed("C1"), FIRST + DAY, **told)
    append_facts(lake, ring, "evidence", evidence(proposed("C1", sure=0.98), ring, FIRST), covered=(), **told)
    assert lake.quarantine().num_rows == 1
    leaked = [f"{ring.key_id(*key):016x}" for key in (("customer", "C1"), ("loyalty", "LC1"), ("loyalty", "LC2"))]
    assert holding(lake, leaked) == {"data", "quarantine"}
    rotate(home)
    assert holding(lake, leaked) == set()
    after = open_keyring(home, lake)
    again = append_proposals(lake, after, proposed("C1"), FIRST + 2 * DAY, **told)
    assert (again.stated, again.revised, again.withdrawn, again.unchanged) == (0, 0, 0, 1)
    anew = append_proposals(lake, after, proposed("C1", "C2"), FIRST + 3 * DAY, **told)
    assert (anew.stated, anew.refused, anew.unchanged) == (1, 0, 1)
    assert len(set(lake.read("evidence")["id"].to_pylist())) == 2


def holding(lake: Lake, texts: list[str]) -> set[str]:
    """The folders of the lake that hold one of the texts, also as a part of another."""
    files = {path: str(pq.read_table(path).to_pylist()) for path in lake.root.rglob("*.parquet")}
    return {path.relative_to(lake.root).parts[0] for path, held in files.items() for t in texts if t in held}


def proposed(*names: str, sure: float = 0.99) -> Proposals:
    """That a card belongs to each of these customers, of two that were looked at."""
    pairs = pd.DataFrame({"left": names, "right": [f"L{name}" for name in names]}, dtype=object)
    pairs = pairs.assign(confidence=sure, state="linked", alone=sure)
    return Proposals("customer", "loyalty", pairs, ("LC1", "LC2"), 2, len(pairs), 0.5, (), (), 0.0)


KILLED = """
import os, sys
from pathlib import Path
from features.privacy import rotation
step = int(sys.argv[2])
if step == 0:
    rotation.rekeyed = lambda *_: os._exit(9)
elif step == 1:
    rotation._bring_ = rotation.rekeyed
    rotation.rekeyed = lambda *a: (rotation._bring_(*a), os._exit(9))
else:
    from features.lake import rekeying
    rekeying.Log.append = lambda *_: os._exit(9)
rotation.rotate(Path(sys.argv[1]), *sys.argv[3:])
"""


@pytest.mark.parametrize("step", [0, 1, 2], ids=["secret stored", "lake gone over", "files written"])
def test_a_rotation_that_was_killed_leaves_a_lake_that_reads_and_is_finished(tmp_path, monkeypatch, step):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    home = tmp_path / "home"
    lakes = two_lakes(home)
    killed(home, step)
    for lake in lakes:
        finds(home, lake, "C1")
    done = rotate(home)
    assert done.finished
    assert done.generation == 1
    assert len(load_secrets(home)) == 2
    for lake in lakes:
        assert lake.snapshot().hindsight.generation == 1
        finds(home, lake, "C1")
        assert not list(lake.root.glob("staging/*"))


@pytest.mark.parametrize("both", [True, False], ids=["both in the variable", "as before"])
def test_a_rotation_with_the_secret_in_the_environment_is_finished_too(tmp_path, monkeypatch, both):
    monkeypatch.setenv(SECRET_VARIABLE, OLD)
    home = tmp_path / "home"
    lakes = two_lakes(home)
    killed(home, 1, NEW)
    assert [lake.snapshot().hindsight.generation for lake in lakes] == [1, 0]
    for other in (f"{OLD}\n{NEW} not", f"{NEW}\n{OLD}"):
        monkeypatch.setenv(SECRET_VARIABLE, other)
        with pytest.raises(SecretError, match="not the one it was written with"):
            rotate(home)
    monkeypatch.setenv(SECRET_VARIABLE, f"{OLD}\n{NEW}" if both else OLD)
    with pytest.raises(SecretError, match="cut off: finish it first" if both else "not the one it was written with"):
        rotate(home, "quite another new secret")
    done = rotate(home, None if both else NEW)
    assert (done.finished, done.generation, done.lakes, done.stored) == (True, 1, ("two",), both)
    monkeypatch.setenv(SECRET_VARIABLE, f"{OLD}\n{NEW}")
    for lake in lakes:
        finds(home, lake, "C1")
    for other in (f"{OLD}\n{NEW} not", f"{NEW}\n{OLD}"):
        monkeypatch.setenv(SECRET_VARIABLE, other)
        with pytest.raises(SecretError, match="not the one it was written with"):
            open_keyring(home, lakes[1])


def test_after_a_rotation_that_was_killed_at_its_very_end_the_same_command_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv(SECRET_VARIABLE, OLD)
    two_lakes(home := tmp_path / "home")
    rotate(home, NEW)
    done = rotate(home, NEW)
    assert (done.finished, done.generation, done.lakes, done.stored) == (True, 1, (), False)


def test_of_two_rotations_at_once_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    two_lakes(home := tmp_path / "home")

    def meanwhile(lake: str, done: int, total: int) -> None:
        with pytest.raises(SecretError, match="somebody else"):
            rotate(home)

    assert rotate(home, progress=meanwhile).generation == 1
    assert len(load_secrets(home)) == 2


@pytest.mark.parametrize(
    ("new", "says"),
    [(OLD, "one of those there were"), (f"{NEW}\n{NEW}", "has 2 lines"), ("short", "new secret: .* 5 bytes")],
)
def test_what_cannot_be_the_new_secret_changes_nothing(tmp_path, monkeypatch, new, says):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    (home / "secret.key").write_text(OLD)
    lakes = two_lakes(home)
    with pytest.raises(SecretError, match=says):
        rotate(home, new)
    assert (home / "secret.key").read_text() == OLD
    assert {lake.snapshot().hindsight.generation for lake in lakes} == {0}


def two_lakes(home: Path) -> list[Lake]:
    lakes = [Lake(home / "lakes" / name) for name in ("one", "two")]
    for lake in lakes:
        hashed = open_keyring(home, lake)
        [key_id] = [hashed.key_id("customer", "C1")]
        entry = {"key_id": [key_id], "key_type": ["customer"], "hash": [hashed.hash("customer", "C1")]}
        lake.append("usage", table(row("a", key_id=key_id)), keys=keys().from_pydict(entry, schema=keys().schema))
    return lakes


def killed(home: Path, step: int, *new: str) -> None:
    command = [sys.executable, "-c", KILLED, str(home), str(step), *new]
    assert subprocess.run(command, cwd=Path(rotation.__file__).parents[2], timeout=120).returncode == 9


def finds(home: Path, lake: Lake, name: str) -> None:
    ring = open_keyring(home, lake)
    assert lake.read("usage")["key_id"].to_pylist() == [ring.key_id("customer", name)]
    assert lake.keys()["hash"].to_pylist() == [ring.hash("customer", name)]


def test_a_new_lake_beside_a_rotated_one_begins_with_the_newest_secret(small):
    rotate(small.home)
    other = Lake(small.home / "lakes" / "shop")
    assert open_keyring(small.home, other).generation == 1
    assert open_keyring(small.home, other) == opened(small.home, *SIZE).ring


def test_a_secret_from_the_environment_is_followed_by_the_new_one_there(small, monkeypatch):
    monkeypatch.setenv(SECRET_VARIABLE, (small.home / "secret.key").read_text())
    (small.home / "secret.key").unlink()
    with pytest.raises(SecretError, match="give the new one too"):
        rotate(small.home)
    assert not rotate(small.home, NEW).stored
    with pytest.raises(SecretError, match="was written with 2 secrets"):
        open_keyring(small.home, small.lake)
    monkeypatch.setenv(SECRET_VARIABLE, os.environ[SECRET_VARIABLE] + "\n" + NEW)
    assert open_keyring(small.home, small.lake).generation == 1
    assert not (small.home / "secret.key").exists()


def test_a_home_without_a_lake_has_nothing_to_rotate(tmp_path):
    with pytest.raises(SecretError, match="has no lake"):
        rotate(tmp_path)


def test_the_hash_of_the_next_generation_needs_no_original():
    first, second = KeyRing(b"0123456789abcdef"), KeyRing(b"0123456789abcdef", later=(b"fedcba9876543210",))
    assert second.hashes("customer", "C1")[0] == first.hash("customer", "C1")
    assert second.key_id("customer", "C1") != first.key_id("customer", "C1")


def test_another_secret_than_the_lake_was_written_with_is_refused(small, monkeypatch):
    open_keyring(small.home, small.lake)
    monkeypatch.setenv(SECRET_VARIABLE, "somebody else's secret")
    with pytest.raises(SecretError, match="not the one it was written with"):
        open_keyring(small.home, small.lake)
