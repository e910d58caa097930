"""`tieline features`, `describe` and `explain` as a person meets them; no key's name is ever in what they say."""

import io
import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import Run

import tieline
from features.history import History
from features.lake import Lake
from features.privacy.secrets import open_keyring
from features.told.batch import Opened, write
from features.told.pairs import NOBODY, all_pairs
from features.told.pairs_file import read_pairs

EVIDENCE = """
SELECT id, kind AS key_type, "key", "to" AS other_type, other, "at"::TIMESTAMPTZ AS "at",
    "at"::TIMESTAMPTZ AS known_at, 'linked' AS state
FROM input
"""
LINKS = """id,kind,key,to,other,at
his,msisdn,+32471000001,customer,Cname1,2025-01-01T00:00Z
hers,msisdn,+32471000002,customer,Cname2,2025-01-01T00:00Z
no,msisdn,+32471000003,customer,Cname3,2025-01-01T00:00Z
same,customer,Cname4,customer,Cname1,2025-01-05T00:00Z
card,loyalty,Cardboth,customer,Cname1,2025-01-01T00:00Z
bill,loyalty,Cardboth,email,both@example.com,2025-01-01T00:00Z
mail,email,both@example.com,customer,Cname2,2025-01-01T00:00Z
"""
JOURNEY = """
SELECT id, kind AS key_type, "key", "at"::TIMESTAMPTZ AS "at", "at"::TIMESTAMPTZ AS known_at, phase, 'web' AS channel,
    topic
FROM input
"""
TOUCHES = """id,kind,key,at,phase,topic
t1,msisdn,+32471000001,2025-02-01T00:00Z,ask,billing
t2,customer,Cname1,2025-03-10T00:00Z,ask,billing
t3,msisdn,+32471000002,2025-03-20T00:00Z,use,
t4,customer,Cname3,2025-03-25T00:00Z,ask,outage
"""
PROFILE = """
SELECT id, 'customer' AS key_type, "key", "at"::TIMESTAMPTZ AS "at", "at"::TIMESTAMPTZ AS known_at,
    consent::BOOLEAN AS consent_profiling
FROM input
"""
CONSENTS = "id,key,at,consent\nc3,Cname3,2025-03-26T00:00Z,false\n"
NAMES = ("4710000", "Cname", "nobody", "both")
ASKED, TOPIC = "journey_phase_ask_count_30d", "journey_phase_ask_topic_last"
APRIL = "2025-04-01"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a lake of a few rows."""
    folder = tmp_path_factory.mktemp("lived")
    sources = {"evidence": (EVIDENCE, LINKS), "journey": (JOURNEY, TOUCHES), "profile": (PROFILE, CONSENTS)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIELINE_HOME", str(folder / "home"))
        for source, (sql, rows) in sources.items():
            (folder / "s.sql").write_text(sql)
            (folder / "s.csv").write_text(rows)
            words = ["ingest", source, "--sql", folder / "s.sql", "--input", folder / "s.csv"]
            patch.setattr(sys, "argv", ["tieline", *map(str, words), "--covers", "2024-06-01/2025-04-02"])
            with pytest.raises(SystemExit) as stop:
                tieline.main()
            assert not stop.value.code
    return folder / "home"


@pytest.fixture
def home(lived: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lived, tmp_path / "home"))


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """``run("features", ...)`` over a copy of that home, beside it: (exit code, stdout, stderr)."""
    monkeypatch.setenv("TIELINE_HOME", str(home))
    monkeypatch.delenv("TIELINE_SECRET", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        code, out, err = command(*words)
        assert not [name for name in NAMES if name in out + err]
        assert "Traceback" not in err
        return code, out, " ".join(err.replace("│", " ").split())

    return call


def told(run: Run, *words: object) -> dict:
    code, out, err = run(*words, "--json")
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def test_everybody_known_at_the_cutoffs_goes_into_a_file(run: Run, home: Path) -> None:
    said = told(run, "features", "--cutoff", APRIL, "--cutoff", "2025-02-15T01:00+01:00", "--out", "f.parquet")
    found = pd.read_parquet("f.parquet")
    lake = Lake(home / "lakes" / "telecom")
    assert (said["rows"], said["objected"], said["unknown_entities"]) == (4, 2, 0)
    assert said["missing_sources"] == ["faults", "sla", "usage", "contact", "calendar"]
    assert said["fingerprint"] == lake.snapshot().fingerprint
    assert pq.read_schema("f.parquet").metadata[b"tieline.fingerprint"].decode() == said["fingerprint"]
    with pytest.warns(tieline.FeatureWarning):
        expected = tieline.frame(lake, [APRIL, "2025-02-15"])
    assert len(expected.columns) == said["features"]
    pd.testing.assert_frame_equal(found.set_index(["entity", "cutoff"]), expected, check_categorical=False)


def test_the_same_in_csv_and_in_buckets(run: Run, home: Path, tmp_path: Path) -> None:
    told(run, "features", "--cutoff", APRIL, "--features", f"{ASKED},{TOPIC}", "--out", "f.csv")
    rows = pd.read_csv("f.csv", keep_default_na=False)
    assert rows.columns.tolist() == ["entity", "cutoff", ASKED, TOPIC]
    assert sorted(rows[[ASKED, TOPIC]].itertuples(index=False, name=None)) == [(0, ""), (1, "billing")]
    lake, catalog = Lake(home / "lakes" / "telecom"), tieline.load_workspace().catalog
    chosen = [f for f in catalog.features if f.name in (ASKED, TOPIC)]
    opened = Opened.of(lake, catalog, chosen, memory=200, everybody=True)
    assert not any(map(len, opened.who.columns.values())), "so little memory holds no facts"
    pairs = all_pairs(
        opened.who, "customer", pd.to_datetime([APRIL]).astype("datetime64[us]").astype("int64").to_numpy()
    )
    pairs = pairs.without_objections(opened.judge)
    assert pairs.objected == 1
    assert write(Path("b.csv"), opened.frames(pairs), chosen, pairs, "") == 2
    dealt = pd.read_csv("b.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(dealt.sort_values("entity", ignore_index=True), rows)


KEYS = """note,key,cutoff
a,customer:Cname1,2025-04-01
b,msisdn:+32471000002,2025-04-01T02:00+02:00
c,msisdn:+32471000001,2025-03-15T00:00Z
d,customer:nobody,2025-04-01
e,msisdn:+32471000009,2025-04-01
f,customer:Cname3,2025-04-01
g,customer:Cname4,2025-04-01
h,loyalty:Cardboth,2025-04-01
"""


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_pairs_are_answered_by_the_row_they_stand_in(run: Run, home: Path, suffix: str) -> None:
    Path("p.csv").write_text(KEYS)
    asked = pd.read_csv("p.csv")
    asked.assign(cutoff=pd.to_datetime(asked["cutoff"], format="ISO8601", utc=True)).to_parquet("p.parquet")
    said = told(run, "features", "--pairs", f"p.{suffix}", "--features", f"{ASKED},{TOPIC}", "--out", "f.parquet")
    assert (said["rows"], said["unknown_entities"], said["unknown_pairs"], said["objected"]) == (7, 3, 3, 1)
    found = pd.read_parquet("f.parquet").set_index("row")
    assert found.index.tolist() == [1, 2, 3, 4, 5, 7, 8]
    assert found[ASKED].tolist() == [1, 0, 1, 0, 0, 1, 0]
    assert found[TOPIC].astype(object).where(found[TOPIC].notna(), None).tolist() == [
        "billing", None, "billing", None, None, "billing", None,
    ]  # fmt: skip
    ring = open_keyring(home, Lake(home / "lakes" / "telecom"))
    first, second, stranger = (ring.key_id("customer", name) for name in ("Cname1", "Cname2", "nobody"))
    assert found["entity"].tolist() == [first, second, first, stranger, NOBODY, first, NOBODY]


def test_unknown_entities_are_counted_and_said(run: Run) -> None:
    Path("p.csv").write_text(f"entity,cutoff\n7,{APRIL}\n8,{APRIL}\n7,{APRIL}\n")
    code, _, err = run("features", "--pairs", "p.csv", "--features", f"{ASKED},{TOPIC}", "--out", "f.csv")
    assert (code, "not heard of 2 of the customers asked for (3 pairs): they have no history" in err) == (0, True)
    assert pd.read_csv("f.csv")[ASKED].tolist() == [0, 0, 0]


def test_key_types_may_stand_in_a_column_of_their_own_and_names_in_a_file(run: Run) -> None:
    Path("p.csv").write_text("key_type,key,cutoff\ncustomer,Cname1,2025-04-01\n")
    Path("names.txt").write_text(f"# what to read\n{ASKED}  # how often\n\n{TOPIC}\n")
    assert told(run, "features", "--pairs", "p.csv", "--features", "@names.txt", "--out", "f.csv")["features"] == 2
    assert pd.read_csv("f.csv")[ASKED].tolist() == [1]


def test_pairs_without_rows_are_a_file_without_rows(run: Run) -> None:
    Path("p.csv").write_text("key,cutoff\n")
    assert (
        told(run, "features", "--pairs", "p.csv", "--features", f"{ASKED},{TOPIC}", "--out", "f.parquet")["rows"] == 0
    )
    assert pd.read_parquet("f.parquet").columns.tolist() == ["row", "entity", "cutoff", ASKED, TOPIC]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (f"entity,cutoff\n7,{APRIL}\n7,2025-04-01T10:00\n", "p.csv, row 2: 2025-04-01T10:00 has no time zone"),
        (f"entity,cutoff\n7,{APRIL}\n7,soon\n", "p.csv, row 2: 'soon' is not a date"),
        (f"entity,cutoff\n7,{APRIL}\n7,\n", "p.csv, row 2: no cutoff"),
        (f"entity,cutoff\n7,{APRIL}\n,{APRIL}\n", "p.csv, row 2: no entity"),
        (f"entity,cutoff\n7,{APRIL}\nCname1,{APRIL}\n", "p.csv, row 2: entity is no key id"),
        (f"key,cutoff\nCname1,{APRIL}\n", "p.csv, row 1: a key is written TYPE:VALUE"),
        (f"key,cutoff\npassport:Cname1,{APRIL}\n", "p.csv, row 1: that is not a type of key"),
        (f"key,cutoff\ncustomer:Cname1,{APRIL}\nmsisdn:nobody,{APRIL}\n", "p.csv, row 2: "),
        ("Cname1,Cname2\nCname3,x\n", "p.csv: pairs need a column named cutoff"),
        (f"key,cutoff\ncustomer:Cname1,{APRIL},Cname2\n", "p.csv cannot be read: CSV parse error: Expected 2 columns"),
        ("", "p.csv cannot be read: Empty CSV file"),
    ],
    ids=lambda value: value if "\n" not in value else "",
)
def test_pairs_that_cannot_be_read_name_the_file_and_the_row(run: Run, rows: str, says: str) -> None:
    Path("p.csv").write_text(rows)
    code, _, err = run("features", "--pairs", "p.csv", "--features", ASKED, "--out", "f.csv")
    assert (code, says in err) == (1, True), err
    assert not Path("f.csv").exists()


def test_a_pairs_file_in_parquet_is_judged_alike(run: Run, tmp_path: Path) -> None:
    pd.DataFrame({"entity": [7], "cutoff": pd.to_datetime([APRIL])}).to_parquet("naive.parquet")
    pd.DataFrame({"entity": [7, None], "cutoff": [APRIL, APRIL]}).to_parquet("null.parquet")
    Path("cut.parquet").write_bytes(Path("naive.parquet").read_bytes()[:-20])
    for name, says in (
        ("naive", "naive.parquet, row 1: the cutoffs have no time zone"),
        ("null", "null.parquet, row 2: no entity"),
        ("cut", "cut.parquet cannot be read"),
        ("nowhere", "nowhere.parquet"),
    ):
        code, _, err = run("features", "--pairs", f"{name}.parquet", "--features", ASKED, "--out", "f.csv")
        assert (code, says in err) == (1, True), err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "f.csv"), "give --cutoff T (everybody known then), or --pairs FILE"),
        (("--cutoff", APRIL), "--out FILE is missing"),
        (("--cutoff", APRIL, "--out", "f.xlsx"), "must end in .parquet or .csv"),
        (("--cutoff", APRIL, "--out", "nowhere/f.csv"), "there is no folder nowhere"),
        (("--cutoff", "2025-04-01T10:00", "--out", "f.csv"), "2025-04-01T10:00 has no time zone"),
        (("--cutoff", "soon", "--out", "f.csv"), "'soon' is not a date"),
        (("--cutoff", APRIL, "--out", "f.csv", "--features", ASKED[:-1]), f"did you mean {ASKED}"),
        (("--cutoff", APRIL, "--out", "f.csv", "--features", "@nowhere.txt"), "nowhere.txt"),
        (("--cutoff", APRIL, "--out", "f.csv", "--entity", "custmer"), "'custmer' is not a type of key"),
        (("--cutoff", APRIL, "--pairs", "p.csv", "--out", "f.csv"), "give --cutoff T"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_asked_is_said_and_nothing_is_written(run: Run, words: tuple[str, ...], says: str) -> None:
    code, _, err = run("features", *words)
    assert (code != 0, says in err) == (True, True), err
    assert not list(Path().glob("*f.*"))


def test_an_error_on_the_way_leaves_the_file_as_it_was(run: Run, home: Path) -> None:
    Path("f.parquet").write_text("as it was")
    (data,) = (home / "lakes" / "telecom" / "data" / "journey").glob("*.parquet")
    data.write_bytes(data.read_bytes()[:-50])
    code, _, err = run("features", "--cutoff", APRIL, "--out", "f.parquet")
    assert (code, data.name in err, "damaged" in err) == (1, True, True)
    assert (Path("f.parquet").read_text(), list(Path().glob(".f*"))) == ("as it was", [])


def test_an_empty_lake_says_what_to_do(run: Run, home: Path) -> None:
    shutil.rmtree(home / "lakes")
    for words in (
        ("features", "--cutoff", APRIL, "--out", "f.csv"),
        ("explain", ASKED, "customer:Cname1", "--at", APRIL),
        ("describe", "--cutoff", APRIL),
    ):
        code, _, err = run(*words)
        assert (code, "is empty: run `tieline ingest`" in err) == (1, True)
    assert run("describe")[0] == 0


def test_a_description_is_a_table_or_json_and_may_be_of_values(run: Run) -> None:
    code, out, _ = run("describe", "--group", "contacts")
    assert (code, ASKED in out, "times they asked for help in 30 days" in out) == (0, True, True)
    listed = told(run, "describe", "--source", "journey")
    assert {f["source"] for f in listed["features"]} == {"journey"}
    valued = told(run, "describe", "--source", "journey", "--cutoff", APRIL)
    by_name = {f["name"]: f for f in valued["features"]}
    assert (valued["cutoff"], valued["entities"]) == ("2025-04-01T00:00:00+00:00", 2)
    assert (by_name[ASKED]["mean"], by_name[ASKED]["missing"], by_name[ASKED]["max"]) == (0.5, 0, 1)
    assert (by_name[TOPIC]["most_frequent"], by_name[TOPIC]["missing"]) == ("billing", 0.5)
    assert told(run, "describe", "--cutoff", "lake")["cutoff"] == "2025-04-02T00:00:00+00:00"
    code, _, err = run("describe", "--group", "bils")
    assert (code, "no feature has the group 'bils'" in err) == (1, True)
    assert "has no time zone" in run("describe", "--cutoff", "2025-04-01T10:00")[2]


def test_an_explanation_shows_the_facts_by_the_ids_of_their_keys(run: Run, home: Path) -> None:
    code, out, _ = run("explain", ASKED, "customer:Cname1", "--at", APRIL)
    assert (code, "is 1 (count)" in out, "t2" in out, "t1" not in out) == (0, True, True, True)
    said = told(run, "explain", TOPIC, "msisdn:+32471000001", "--at", "2025-03-01")
    (fact,) = said["facts"]
    assert (said["value"], fact["id"], fact["key_type"], fact["topic"], fact["met"]) == (
        "billing", "t1", "msisdn", "billing", True,
    )  # fmt: skip
    assert fact["known_from"] == "2025-01-01T00:00:00.000000Z"
    ring = open_keyring(home, Lake(home / "lakes" / "telecom"))
    assert said["entity"] == ring.key_id("customer", "Cname1")
    alias = told(run, "explain", ASKED, "customer:Cname4", "--at", APRIL)
    assert (alias["entity"], alias["value"], alias["note"]) == (said["entity"], 1, None)


def test_a_missing_value_says_why_and_a_stranger_has_none(run: Run) -> None:
    said = told(run, "explain", "journey_phase_ask_count_365d", "customer:Cname1", "--at", APRIL)
    assert said["value"] is None
    assert "'journey' is not covered all the time from 2024-04-01T00:00:00+00:00" in said["why_missing"]
    stranger = told(run, "explain", ASKED, "customer:nobody", "--at", APRIL)
    assert (stranger["value"], "has not heard of this customer" in stranger["note"]) == (0, True)
    code, out, _ = run("explain", "faults_minutes_max_90d", "customer:Cname1", "--at", APRIL)
    assert (code, "the lake holds nothing of 'faults'" in out) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((ASKED, "customer:Cname3"), "nothing is told of this customer: they object to profiling"),
        ((ASKED, "msisdn:+32471000009"), "no customer is known to hold this msisdn at that time"),
        ((ASKED, "loyalty:Cardboth"), "2 customers hold this loyalty at that time"),
        ((ASKED, "passport:nobody"), "that is not a type of key"),
        ((ASKED, "Cname1"), "a key is written TYPE:VALUE"),
        ((ASKED + "ay", "customer:Cname1"), f"did you mean {ASKED}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_explained_says_why(run: Run, words: tuple[str, str], says: str) -> None:
    code, _, err = run("explain", *words, "--at", APRIL)
    assert (code != 0, says in err) == (True, True), err


def test_a_key_may_come_from_the_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("customer:Cname1\n"))
    assert told(run, "explain", ASKED, "-", "--at", APRIL)["value"] == 1


def test_a_workspace_without_customers_is_asked_about_what_it_has(tmp_path: Path) -> None:
    incidents = tieline.load_workspace(Path(__file__).parents[1] / "examples" / "uci_incidents")
    names = [f.name for f in incidents.catalog.features]
    assert tieline.describe(incidents).index.tolist() == names
    empty = History.load(Lake(tmp_path), incidents.catalog)
    told = tieline.describe(empty)
    assert (told.index.tolist(), told.attrs["entities"]) == (names, 0)


def test_a_file_of_pairs_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("cutoff,other,entity\n2025-04-01,x,9223372036854775807\n")
    found = read_pairs(path)
    assert found.entity is not None
    assert (found.entity.tolist(), found.cutoff.tolist()) == ([2**63 - 1], [1743465600000000])
