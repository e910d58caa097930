"""Who is forgotten is nowhere in the live store, nor in what was written down of decisions."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from live_people import HOUR, RING, Live, key, make_lake

from features.lake import Lake
from features.privacy.person import PersonError
from features.privacy.scan import scan
from features.workspace import load_workspace
from serving.forgetting import Gone, forget
from serving.live import archive, journal
from serving.live.append import Fact, Key
from serving.live.journal import Entry
from serving.live.segment import Record
from serving.live.spill import Spill
from serving.live.sync import sync


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return make_lake(tmp_path_factory.mktemp("forget") / "telecom")


class Home:
    """A home with lake and live store, and two people the store alone knows of."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(lake.root, folder / "lakes" / "telecom")
        self.lake = Lake(folder / "lakes" / "telecom")
        self.url = f"sqlite:///{folder}/live/telecom.db"
        self.live = Live.of(self.lake, self.url)
        self.ann, self.bob = key("customer", "C-ANN"), key("customer", "C-BOB")
        self.mail, self.cookie = key("email", "ann@example.org"), key("cookie", "ann-1")
        now = self.live.store.clock()
        self.live.tell(
            Fact("evidence", "e1", self.mail, now - HOUR, {"state": "linked"}, False, self.ann),
            Fact("evidence", "e2", self.cookie, now - HOUR, {"state": "linked"}, False, self.ann),
            *(self.touch(f"j{i}", whom) for i, whom in enumerate((self.ann, self.mail, self.cookie, self.bob))),
        )
        self.spill = Spill(folder / "live" / "telecom.db.undelivered")
        for name, keys, who in (
            ("d-ann", (self.ann,), self.ann),
            ("d-mail", (self.mail,), None),
            ("d-bob", (self.bob,), self.bob),
        ):
            entry = self.entry(name, keys, who)
            body = journal.pack(entry, [np.zeros(3, np.float32)])
            self.live.store.write(journal.writes(name, entry.now, entry.entity, body)).result()
        for whom in (self.ann, self.bob):
            self.live.cut(whom.id)

    def touch(self, id_: str, whom: Key, at: int | None = None) -> Fact:
        body = {"phase": "use", "channel": "web"}
        return Fact("journey", id_, whom, self.live.store.clock() - 1 if at is None else at, body)

    def entry(self, name: str, keys: tuple[Key, ...], who: Key | None) -> Entry:
        now = self.live.store.clock()
        said = {
            **dict.fromkeys(Entry._fields),
            "id": name,
            "now": now,
            "seen": now,
            "channel": "call_center",
            "limit": 2,
            "state": "identified" if who else "unidentified",
            "keys": tuple((k.type, k.id) for k in keys),
            "named": ({str(who.id): 1.0},) if who else ({},),
            "entities": (who.id,) if who else (),
            "weights": (1.0,) if who else (),
            "people": 40,
            "models": {"churn": (1, "m")},
            "rules": "r",
            "covered": "c",
            "features": "f",
            "offers": (("call", 1.5, 0.5),),
            "risk": 0.2,
            "degraded": (),
            "answer": "a",
        }
        return Entry(**said)

    def forget(self, kind: str = "customer", value: str = "C-ANN") -> Gone:
        return forget(self.url, self.folder, load_workspace(), self.lake, RING, kind, value)

    def needles(self) -> list[int | bytes]:
        return [n for k in (self.ann, self.mail, self.cookie) for n in (k.id, k.hash)]

    def found(self) -> set[str]:
        return {f.path for f in scan(self.folder, self.needles())}


@pytest.fixture
def home(lake: Lake, tmp_path: Path) -> Iterator[Home]:
    home = Home(lake, tmp_path / "home")
    yield home
    home.live.store.close()


def rows(home: Home, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(home.folder / "live" / "telecom.db")) as con:
        return con.execute(statement).fetchall()


def test_nothing_of_them_is_in_any_file_and_others_stay(home: Home) -> None:
    assert home.found()
    done = home.forget()
    assert done.complete
    assert done.live is not None
    assert (done.live.keys, done.live.evidence, done.live.facts) == (3, 2, {"journey": 3})
    assert home.found() == set()
    assert rows(home, "SELECT id FROM facts WHERE id IN ('j0', 'j1', 'j2', 'j3')") == [("j3",)]
    told = rows(home, "SELECT id, entity, erased, length(body) > 0 FROM decisions ORDER BY id")
    assert told == [("d-ann", None, 1, 0), ("d-bob", home.bob.id, 0, 1), ("d-mail", None, 1, 0)]


def test_the_files_of_decisions_tell_nothing_of_them_either(home: Home) -> None:
    folder = archive.folder_of(home.folder, "telecom")
    sync(home.live.store, home.lake, home.live.catalog, RING, folder)
    home.forget()
    told = archive.read_decisions(folder).set_index("id")
    assert told["erased"].to_dict() == {"d-ann": True, "d-mail": True, "d-bob": False}
    assert told.loc[["d-ann", "d-mail"]].drop(columns=["stamp", "erased"]).isna().all(axis=None)
    assert told.loc["d-bob", "offers"][0]["action"] == "call"


def test_what_was_not_delivered_yet_is_forgotten_too(home: Home) -> None:
    entry = home.entry("d-late", (home.cookie,), home.ann)
    home.spill.keep([Record(entry.id, entry.now, entry.entity, journal.pack(entry, []), {})])
    home.spill.release()
    home.forget()
    assert home.spill.waiting == 0
    assert home.found() == set()
    assert rows(home, "SELECT entity, erased FROM decisions WHERE id = 'd-late'") == [(None, 1)]


def test_forgotten_is_forgotten_when_the_store_is_filled_again_and_again(home: Home) -> None:
    home.forget()
    home.live.load()
    home.forget()
    assert home.found() == set()
    assert rows(home, "SELECT count(*) FROM facts WHERE id IN ('j0', 'j1', 'j2')") == [(0,)]


def test_a_new_life_begins_after_it_and_nothing_of_before_comes_back_by_sync(home: Home) -> None:
    home.live.store.set_clock(0)  # a new life begins by the wall's clock
    before = home.live.store.clock() - HOUR
    home.forget()
    home.live.tell(home.touch("old", home.ann, before), home.touch("new", home.ann))
    folder = archive.folder_of(home.folder, "telecom")
    done = sync(home.live.store, home.lake, home.live.catalog, RING, folder)
    assert done.suppressed == 1
    assert {"old", "new"} & set(home.lake.read("journey")["id"].to_pylist()) == {"new"}
    assert rows(home, "SELECT id FROM facts WHERE id IN ('old', 'new')") == [("new",)]


def test_who_cannot_be_told_is_not_forgotten_anywhere(home: Home) -> None:
    before = rows(home, "SELECT count(*) FROM facts")
    with pytest.raises(PersonError):
        home.forget("site", "S1")
    assert rows(home, "SELECT count(*) FROM facts") == before
