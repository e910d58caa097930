"""What a person is told is kept about them: all of it, without the names of keys."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from private_operator import operator

from features.catalog import CATALOG
from features.privacy.export import export
from features.privacy.person import find_person, needles


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return operator(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def told(small):
    return export(small.lake, CATALOG, small.ring, "customer", small.moved.former)


def test_every_fact_of_theirs_is_told_and_nobody_elses(small, told):
    person = find_person(small.lake, small.lake.snapshot(), CATALOG, small.ring, "customer", small.moved.former)
    for name, source in told["sources"].items():
        rows = small.lake.read(name)
        theirs = rows.filter(pa.array(person.marks.strike(rows)))
        assert [f["id"] for f in source["facts"]] == theirs["id"].to_pylist(), name
    touches = [f for f in told["sources"]["journey"]["facts"] if f["id"].startswith("moved-")]
    assert [(f["action"], f["key"].split()[0]) for f in touches] == [("touch-5", "msisdn")]
    assert {"at", "known_at", "phase", "channel"} <= touches[0].keys()


def test_it_says_since_when_each_key_is_linked_and_by_which_evidence(small, told):
    numbers = told["keys"]["msisdn"]
    moved = next(k for k in numbers["each"] if any(e["state"] == "unlinked" for e in k["evidence"]))
    assert numbers["count"] == len(numbers["each"])
    assert any(held["to"] for held in moved["held"]), "until it was given up"
    assert {e["with"] for e in moved["evidence"]} == {"customer 1"}
    assert {e["with"] for e in told["keys"]["customer"]["each"][0]["evidence"]} <= {"account", "site"}


def test_it_says_what_the_sources_are_for_and_what_they_cover(small, told):
    usage = told["sources"]["usage"]
    assert usage["purposes"]
    assert len(usage["covered"]) == len(small.lake.snapshot().coverage["usage"])
    assert told["known_as"] == "customer"


def test_it_repeats_no_key_hash_or_id(small, told):
    text = json.dumps(told)
    for needle in needles(small.lake, CATALOG, small.ring, "customer", small.moved.former):
        assert (needle.hex() if isinstance(needle, bytes) else str(needle)) not in text
    assert small.moved.number not in text


def test_a_visitor_is_told_what_was_seen_of_their_browser(small):
    reached = set(small.history().reach("customer").key.tolist())
    seen = set(pc.unique(small.lake.read("journey")["key_id"]).to_pylist())
    strangers = [c for c in small.names["cookie"] if small.ring.key_id("cookie", c) in seen - reached]
    cookie = strangers[0] if strangers else "nobody's"
    told = export(small.lake, CATALOG, small.ring, "cookie", cookie)
    assert told["known_as"] == "visitor"
    assert bool(told["sources"]["journey"]["facts"]) == bool(strangers)
