import gzip
import json
import math
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from usage_rows import micros

from features.declare import Link
from features.facts import TIME
from features.identity.keys import KeyRing
from features.ingest import IngestError, append_facts, ingest
from features.lake import Lake

RING = KeyRing(b"0123456789abcdef")
TYPES = ("customer", "msisdn", "email", "cookie")
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
SQL = """
    SELECT id, 'customer' AS key_type, customer AS key, strptime(day, '%Y-%m-%d') AT TIME ZONE 'Europe/Paris' AS "at",
        strptime(day, '%Y-%m-%d') AT TIME ZONE 'Europe/Paris' + INTERVAL 1 HOUR AS known_at,
        'bill' AS metric, amount::DOUBLE AS value
    FROM input"""
ROWS = [
    {"id": "b1", "customer": "C1", "day": "2025-03-01", "amount": "12.5"},
    {"id": "b2", "customer": "C2", "day": "2025-03-02", "amount": "007"},
]


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def csv(path, rows=ROWS, delimiter=","):
    lines = [delimiter.join(ROWS[0])] + [delimiter.join(row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def written(folder, form):
    """The same rows in a raw file of the given suffixes."""
    path, plain = folder / f"raw{form}", folder / "plain"
    kind = form.removesuffix(".gz")
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), plain)
    elif kind == ".json":
        plain.write_text(json.dumps(ROWS))
    elif kind in (".jsonl", ".ndjson"):
        plain.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        csv(plain, delimiter="\t" if kind == ".tsv" else ";")
    path.write_bytes(gzip.compress(plain.read_bytes()) if form.endswith(".gz") else plain.read_bytes())
    return path


@pytest.mark.parametrize(
    "form", [".csv", ".csv.gz", ".tsv", ".jsonl", ".ndjson.gz", ".json", ".parquet", ".parquet.gz"]
)
def test_every_format_gives_the_same_facts(tmp_path, lake, form):
    progress = []
    receipt = ingest(lake, RING, "usage", SQL, written(tmp_path, form), key_types=TYPES, progress=progress.append)
    assert (receipt.kept, receipt.quarantined, progress) == (2, 0, [2])
    facts = lake.read("usage").sort_by("at")
    assert facts["key_id"].to_pylist() == [RING.key_id("customer", "C1"), RING.key_id("customer", "C2")]
    assert facts["value"].to_pylist() == [12.5, 7.0]
    assert facts["at"][0].as_py() == datetime(2025, 2, 28, 23, tzinfo=UTC), "midnight in Paris"
    first, last = micros(facts["at"])[0], micros(facts["known_at"])[-1]
    assert lake.snapshot().coverage["usage"] == ((first, last + 1),)


def test_a_repeated_ingestion_adds_nothing_and_no_name_is_left_in_the_lake(tmp_path, lake):
    rows = [{"id": "b1", "customer": "Zebedee-Quint", "day": "2025-03-01", "amount": "1"}]
    for _ in range(2):
        receipt = ingest(lake, RING, "usage", SQL, csv(tmp_path / "raw.csv", rows), key_types=TYPES)
    assert (receipt.version, receipt.already_known) == (1, 1)
    assert lake.keys()["hash"].to_pylist() == [RING.hash("customer", "Zebedee-Quint")]
    for table in (lake.read("usage"), lake.keys(), lake.quarantine()):
        assert "Zebedee" not in str(table.to_pylist())


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (SQL.replace(", amount::DOUBLE AS value", ""), r"column 'value' \(DOUBLE\) is missing"),
        (SQL.replace("AS value", "AS valeu"), "source 'usage' has no column 'valeu' .it has: id, key_type"),
        (SQL.replace("AS metric", "AS metric, amount AS metric"), "column 'metric"),
        (SQL.replace("amount::DOUBLE", "amount"), "'value' is VARCHAR and must be DOUBLE; write CAST"),
        (SQL.replace("SELECT id", "SELECT 7 AS id"), "'id' is INTEGER and must be VARCHAR"),
        (SQL.replace(" AT TIME ZONE 'Europe/Paris' AS \"at\"", ' AS "at"'), "'at' is TIMESTAMP .without.*AT TIME ZONE"),
        (
            SQL.replace("strptime(day, '%Y-%m-%d') AT TIME ZONE 'Europe/Paris' AS", "day AS"),
            r"'at' is VARCHAR .*strptime",
        ),
        (
            SQL.replace("strptime(day, '%Y-%m-%d') AT TIME ZONE 'Europe/Paris' + INTERVAL 1 HOUR AS known_at,", ""),
            "known_at",
        ),
        (SQL.replace("FROM input", "FROM inptu"), "Table with name inptu does not exist"),
        (SQL.replace("customer AS key", "custmer AS key"), 'Referenced column "custmer" not found'),
        ("SELEC 1", "syntax error"),
        (SQL + "; DROP VIEW input", "one SELECT statement is needed"),
        ("COPY (SELECT 1) TO 'stolen.csv'", "one SELECT statement is needed"),
        (SQL + " WHERE id = 'nobody'", "there are no rows"),
        (SQL.replace("amount::", "customer::"), "Could not convert string .*C1.* to .*DOUBLE"),
        (SQL.replace("FROM input", "FROM input, read_text('/etc/hostname')"), "file system operations are disabled"),
    ],
)
def test_a_wrong_select_is_refused_by_name_and_changes_nothing(tmp_path, lake, sql, message):
    path = tmp_path / "bills.sql"
    path.write_text(sql)
    with pytest.raises(IngestError, match=rf"(?s)bills\.sql.*{message}"):
        ingest(lake, RING, "usage", path, csv(tmp_path / "raw.csv"), key_types=TYPES)
    assert lake.snapshot().version == 0


HEADER = b"id,customer,day,amount\n"
WRONG_FILES = {
    "none.csv": (None, "there is no such file"),
    "empty.csv": (b"", "the file is empty"),
    "header.csv": (HEADER, "there are no rows"),
    "ragged.csv": (HEADER + b"b1,Zebedee,2025-03-01,1\nb2,Zebedee\n", "Line: 3.*Columns: 4 Found: 2"),
    "twice.csv": (b"id,customer,day,ID\n1,2,3,4\n", "name every column once; see id"),
    "cut.csv.gz": (gzip.compress(HEADER + b"b,C,2025-03-01,1\n" * 9999)[:60], "GZIP|[Cc]ompressed"),
    "raw.xlsx": (b"PK", "told by the suffix, one of .csv"),
    "raw.jsonl": (b'{"id": 1}\n{"id":\n', "Malformed JSON"),
    "list.jsonl": (b"[]\n", "no JSON object"),
    "raw.parquet": (b"not parquet", "[Pp]arquet|magic"),
    "latin.csv": (HEADER + "b1,Zoé,2025-03-01,1\n".encode("latin-1"), "utf-8"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_file_is_refused_by_name_without_quoting_its_rows(tmp_path, lake, name):
    path, (content, message) = tmp_path / name, WRONG_FILES[name]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IngestError, match=rf"(?s){name}.*({message})") as refused:
        ingest(lake, RING, "usage", SQL, path, key_types=TYPES)
    assert "Zebedee" not in str(refused.value)
    assert lake.snapshot().version == 0


def test_a_missing_known_at_is_assumed_when_a_delay_is_given_and_kept_as_assumed(tmp_path, lake):
    sql = SQL.replace("strptime(day, '%Y-%m-%d') AT TIME ZONE 'Europe/Paris' + INTERVAL 1 HOUR AS known_at,", "")
    ingest(lake, RING, "usage", sql, csv(tmp_path / "raw.csv"), key_types=TYPES, assume_delay="90m")
    facts = lake.read("usage")
    assert {k - a for a, k in zip(micros(facts["at"]), micros(facts["known_at"]), strict=True)} == {90 * 60 * 10**6}
    assert lake.snapshot().assumed("usage") == ("90m",)
    with pytest.raises(IngestError, match="no delay may be assumed"):
        ingest(lake, RING, "usage", SQL, csv(tmp_path / "raw.csv"), key_types=TYPES, assume_delay="90m")


def touch(**changes):
    times = {"at": NOON, "known_at": NOON}
    row = {"id": "t", "key_type": "msisdn", "key": "+32471234567", **times, "phase": "ask", "channel": "chat"}
    return {**row, "sentiment": None, **changes}


def touches(*rows):
    schema = pa.schema({n: pa.string() for n in ("id", "key_type", "key", "phase", "channel")})
    schema = schema.append(pa.field("at", TIME)).append(pa.field("known_at", TIME))
    return pa.Table.from_pylist(list(rows), schema=schema.append(pa.field("sentiment", pa.float64())))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"phase": "browse"}, "phase is not one of: discover, explore, buy, use, ask, engage"),
        ({"phase": None}, "phase is missing"),
        ({"id": None}, "id is missing"),
        ({"id": ""}, "id is missing"),
        ({"key": None}, "key is missing"),
        ({"key_type": None}, "key_type is missing"),
        ({"key_type": "passport"}, "key_type is not one of: customer, msisdn, email, cookie"),
        ({"key": "0471234567"}, "key: msisdn: a national number needs the calling code"),
        ({"at": None}, "at is missing"),
        ({"known_at": datetime(1970, 1, 1, tzinfo=UTC)}, "known_at is outside 1990..2100"),
        ({"at": datetime(2100, 1, 1, tzinfo=UTC)}, "at is outside 1990..2100"),
        ({"sentiment": math.nan}, "sentiment is not a finite number"),
        ({"sentiment": -math.inf}, "sentiment is not a finite number"),
    ],
)
def test_a_row_that_fails_a_check_is_quarantined_with_its_reason_and_the_rest_kept(lake, changes, reason):
    receipt = append_facts(
        lake, RING, "journey", touches(touch(id="good"), touch(**changes), touch(id="too")), key_types=TYPES
    )
    assert (receipt.read, receipt.kept, receipt.quarantined) == (3, 2, 1)
    [reject] = lake.quarantine().to_pylist()
    assert reject["reason"].startswith(reason)
    assert (reject["source"], reject["position"]) == ("journey", 2)
    hashed = "hmac:" + RING.hash("msisdn", "+32471234567").hex()
    left_as_it_came = {"key", "key_type"} & set(changes)
    assert json.loads(reject["row"])["key"] == (touch(**changes)["key"] if left_as_it_came else hashed)


def test_evidence_names_two_keys_and_is_linked_unless_it_says_otherwise(lake):
    rows = [
        {"id": "e1", "key_type": "cookie", "key": "ck", "other_type": "customer", "other": "C1"},
        {"id": "e2", "key_type": "cookie", "key": "ck", "other_type": "customer", "other": " "},
    ]
    table = pa.Table.from_pylist([{**r, "at": NOON, "known_at": NOON} for r in rows])
    receipt = append_facts(lake, RING, "evidence", table, key_types=TYPES)
    assert (receipt.kept, receipt.quarantined) == (1, 1)
    [link] = lake.read("evidence").to_pylist()
    assert (link["key_id"], link["other_id"]) == (RING.key_id("cookie", "ck"), RING.key_id("customer", "C1"))
    assert link["state"] == "linked"
    assert set(lake.keys()["key_type"].to_pylist()) == {"cookie", "customer"}
    assert lake.quarantine()["reason"][0].as_py() == "other: customer: the key is empty"


def test_several_tables_are_one_commit_with_positions_that_go_on(lake):
    given = [touches(touch(id=str(i), known_at=NOON + timedelta(hours=i))) for i in range(3)]
    given.append(touches(touch(id="0", channel="fax"), touch(id="1", known_at=NOON + timedelta(hours=1), phase="use")))
    receipt = append_facts(lake, RING, "journey", given, key_types=TYPES, covered=[(0, 10)], gaps=[(4, 5)])
    assert (receipt.version, receipt.kept, receipt.quarantined) == (1, 3, 2)
    assert lake.quarantine()["position"].to_pylist() == [4, 5]
    assert lake.snapshot().coverage["journey"] == ((0, 4), (5, 10))


def test_a_void_row_withdraws_a_fact(lake):
    void = touches(touch(known_at=NOON + timedelta(days=1))).append_column("void", pa.array([True]))
    append_facts(lake, RING, "journey", [touches(touch()), void], key_types=TYPES)
    [fact] = lake.read("journey").to_pylist()
    assert fact["until"] == NOON + timedelta(days=1)


def test_an_unknown_source_is_refused(tmp_path, lake):
    with pytest.raises(IngestError, match=r"unknown source 'bills' \(known: journey"):
        ingest(lake, RING, "bills", SQL, csv(tmp_path / "raw.csv"), key_types=TYPES)


def test_a_first_step_is_shared_by_the_selects(tmp_path, lake):
    first = tmp_path / "input.sql"
    first.write_text("SELECT * FROM raw WHERE id <> 'b2'")
    receipt = ingest(lake, RING, "usage", SQL, csv(tmp_path / "raw.csv"), key_types=TYPES, prepare=first)
    assert (receipt.read, receipt.kept) == (1, 1)
    first.write_text("SELECT nonsense FROM raw")
    with pytest.raises(IngestError, match=r"input\.sql over .*raw\.csv.*nonsense"):
        ingest(lake, RING, "usage", SQL, csv(tmp_path / "raw.csv"), key_types=TYPES, prepare=first)


def test_a_file_a_day_is_covered_as_one_file_would_be(tmp_path, lake):
    rows = [{"id": f"b{d}", "customer": "C1", "day": f"2025-03-{d:02d}", "amount": "1"} for d in range(1, 29)]
    for day in range(0, 28, 7):
        ingest(lake, RING, "usage", SQL, csv(tmp_path / "raw.csv", rows[day : day + 7]), key_types=TYPES)
    assert len(lake.snapshot().coverage["usage"]) == 1
    late = [{**rows[0], "id": f"l{d}", "day": f"2025-09-{d:02d}"} for d in range(1, 29)]
    ingest(lake, RING, "usage", SQL, csv(tmp_path / "raw.csv", late), key_types=TYPES)
    assert len(lake.snapshot().coverage["usage"]) == 2, "half a year of silence is a gap"


@pytest.mark.parametrize("column", ["phase", "channel", "key_type", "id", "key"])
def test_a_reason_repeats_no_value(lake, column):
    rows = touches(touch(**{"phase": "browse", column: "Ann +32 471 23 45 67 \u0000"}))
    append_facts(lake, RING, "journey", rows, key_types=TYPES)
    [reason] = lake.quarantine()["reason"].to_pylist()
    assert "Ann" not in reason
    assert "471" not in reason


def test_evidence_between_keys_no_link_joins_is_refused(lake):
    row = {"id": "e", "key_type": "customer", "key": "C1", "at": NOON, "known_at": NOON}
    turned = pa.Table.from_pylist([{**row, "other_type": "cookie", "other": "x"}])
    receipt = append_facts(lake, RING, "evidence", turned, key_types=TYPES, links=[Link("cookie", "customer")])
    assert (receipt.kept, receipt.quarantined) == (0, 1)
    assert "no link is declared for customer -> cookie" in lake.quarantine()["reason"][0].as_py()
