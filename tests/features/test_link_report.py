"""The link report against asking one fact after the other, and figures one can count by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linked_worlds import TYPES, evidence, journey, linked, says, table
from oracle import Fact
from worlds import MINUTE

from features.history import History
from features.identity.told.report import LinkReport, ReportError, link_report
from features.identity.told.tallies import Tally, fact_tables
from features.lake import Lake
from training.link_plots import draw

cutoffs = st.integers(1, 90).map(lambda m: m * MINUTE)


def touch(id: str, key: int, at: float, known: float, phase: str = "ask", channel: str = "web") -> Fact:
    return Fact(id, key, int(at * MINUTE), int(known * MINUTE), False, {"phase": phase, "channel": channel})


@st.composite
def touches(draw: st.DrawFn) -> list[Fact]:
    facts = []
    for i in range(draw(st.integers(0, 12))):
        at = draw(st.integers(0, 60))
        fact = touch(f"j{i}", draw(st.sampled_from(list(TYPES))), at, at + draw(st.integers(0, 10)))
        facts.append(replace(fact, values={**fact.values, "phase": draw(st.sampled_from(["ask", "use"]))}))
        if draw(st.integers(0, 4)) == 0:
            facts.append(replace(fact, known_at=fact.known_at + draw(st.integers(1, 20)) * MINUTE, void=True))
    return facts


def report(facts: list[Fact], rows: list[Fact], at: float = 90, of: str = "customer") -> LinkReport:
    return reported(linked(rows), facts, rows, round(at * MINUTE), of)


def reported(history: History, facts: list[Fact], rows: list[Fact], at: int, of: str = "customer") -> LinkReport:
    tables = [("journey", journey(facts)), ("evidence", table(rows))]
    return link_report(history, tables, at, of)


def one_by_one(history: History, facts: list[Fact], at: int) -> list[tuple[str, int, int, float | None]]:
    """(phase, holders, holders when it became known, days until the first) of every fact visible at an instant."""
    found = []
    for fact in journey(facts).to_pylist():
        moments = [int(pd.Timestamp(fact[name]).value // 1000) for name in ("at", "known_at")]
        revised = at if fact["until"] is None else int(pd.Timestamp(fact["until"]).value // 1000)
        if max(*moments) < at <= revised and TYPES[fact["key_id"]] != "account":
            kind, key = TYPES[fact["key_id"]], fact["key_id"]

            def holders(seen: int, kind: str = kind, key: int = key, when: int = moments[0]) -> int:
                return len(history.find(kind, key, when, seen))

            days = None
            if holders(at) and not holders(moments[1] + 1):
                later = (m for m in range(moments[1], at, MINUTE) if holders(m + 1))
                days = (next(later) - moments[1]) // (60 * MINUTE) / 24
            found.append((fact["phase"], holders(at), holders(moments[1] + 1), days))
    return found


@settings(max_examples=30)
@given(facts=touches(), rows=evidence(), at=cutoffs)
def test_every_share_is_what_asking_for_each_fact_gives(facts: list[Fact], rows: list[Fact], at: int) -> None:
    history = linked(rows)
    told = reported(history, facts, rows, at)
    expected = one_by_one(history, facts, at)
    assert sum(tally.facts for tally in told.phases) == len(expected)
    for tally in told.phases:
        mine = [row for row in expected if row[0] == tally.name]
        first = [row for row in mine if not row[2]]
        stitched = [row for row in first if row[1]]
        assert tally.facts == len(mine)
        assert tally.identified == np.mean([row[1] > 0 for row in mine])
        assert tally.several == np.mean([row[1] > 1 for row in mine])
        assert tally.guarded + tally.anonymous == pytest.approx(1 - tally.identified)
        assert tally.anonymous_first == len(first) / len(mine)
        assert tally.stitched == (len(stitched) / len(first) if first else None)
        assert (tally.stitched_days is None) == (not stitched)
        if stitched:
            assert min(row[3] for row in stitched) <= tally.stitched_days <= max(row[3] for row in stitched) + 0.01


@settings(max_examples=15)
@given(facts=touches(), rows=evidence(), at=cutoffs, data=st.data())
def test_what_becomes_known_later_changes_no_figure(
    facts: list[Fact], rows: list[Fact], at: int, data: st.DataObject
) -> None:
    known = [[row for row in some if row.known_at < at] for some in (facts, rows)]
    assert reported(linked(rows), facts, rows, at) == reported(linked(known[1]), *known, at)


def named(tallies: tuple[Tally, ...]) -> dict[str, Tally]:
    return {tally.name: tally for tally in tallies}


def test_a_visit_joined_by_a_later_login_was_anonymous_and_is_stitched() -> None:
    day = 24 * 60
    history = replace(linked(rows := [says("login", 21, 1, 3 * day, 3 * day)]), coverage={"journey": ((0, 9 * day),)})
    facts = [touch("visit", 21, 3 * day - 10, day), touch("bill", 1, 5, 5, "use", "email"), touch("other", 22, 6, 6)]
    told = reported(history, facts, rows, 4 * day * MINUTE)
    ask, use = named(told.phases)["ask"], named(told.phases)["use"]
    assert (ask.facts, ask.identified, ask.anonymous, ask.anonymous_first) == (2, 0.5, 0.5, 1.0)
    assert (ask.stitched, ask.stitched_days) == (0.5, 2.0)
    assert (use.identified, use.anonymous_first, use.stitched) == (1.0, 0.0, None)
    assert [tally.name for tally in told.phases] == ["use", "ask"]
    assert named(told.channels)["email"].facts == named(told.key_types)["customer"].facts == 1
    before = reported(history, facts, rows, 3 * day * MINUTE)
    assert named(before.phases)["ask"].identified == 0


def test_guarded_keys_are_counted_with_how_many_share_them() -> None:
    rows = [says(str(p), 21, p, 10, 10 + p) for p in (1, 2, 3)] + [says("hers", 22, 1, 10, 10)]
    facts = [touch("tablet", 21, 15, 15), touch("hers", 22, 15, 15)]
    told = report(facts, rows)
    assert (told.facts[0].guarded, told.facts[0].identified, told.facts[0].anonymous) == (0.5, 0.5, 0.0)
    cookies = next(g for g in told.guarded if g.link == "cookie -> customer")
    assert (cookies.keys, cookies.median, cookies.most, cookies.parents) == (1, 3.0, 3, {"3-4": 1})
    assert next(k for k in told.keys if k.key_type == "cookie").guarded == 1
    assert report(facts, rows, 13).facts == ()
    known = [{k.key_type: k.guarded for k in report(facts, rows, at).keys}["cookie"] for at in (13, 13 + 1 / MINUTE)]
    assert known == [0, 1]


def test_the_rule_of_time_holds_at_every_edge() -> None:
    rows = [says("x", 21, 1, 0, 10), Fact("x", 21, 0, 20 * MINUTE, True, {"other": 1, "state": "linked"})]
    for known, at_first in ((9, 1.0), (10, 0.0), (19, 0.0), (20, 1.0)):
        assert report([touch("v", 21, 5, known)], rows, 21).facts[0].anonymous_first == at_first
    for at, now in ((10, 0.0), (10 + 1 / MINUTE, 1.0), (20, 1.0), (20 + 1 / MINUTE, 0.0)):
        assert report([touch("v", 21, 5, 5)], rows, at).facts[0].identified == now
    announced = [touch("planned", 1, 30, 5)]
    assert report(announced, rows, 30).facts == ()
    assert report(announced, rows, 30 + 1 / MINUTE).facts[0].facts == 1


def test_merges_are_counted_now_and_ever_and_what_could_not_be_done() -> None:
    rows = [
        *(says(f"m{p}", p, 41, 0, 0) for p in (1, 2)),
        says("same", 2, 1, 10, 10),
        says("apart", 3, 1, 5, 5, "unlinked"),
        says("same too", 3, 2, 20, 20),
    ]
    merged = next(iter(report([], rows).merges))
    assert (merged.aliases, merged.standing, merged.ever, merged.restored) == (1, 1, 1, 0)
    assert (merged.contradictory, merged.never_merged) == (1, 1)
    undone = report([], [*rows, says("no", 2, 1, 30, 30, "unlinked")])
    assert (undone.merges[0].aliases, undone.merges[0].ever) == (1, 2)
    assert report([], rows).entities == 2
    assert report([], rows, 8).merges[0].never_merged == 1
    assert report([], rows, 8).merges[0].contradictory == 0


def test_keys_and_evidence_are_counted_as_known() -> None:
    rows = [
        says("line", 11, 1, 0, 0),
        says("wrong", 51, 1, 0, 0),
        Fact("wrong", 51, 0, 20 * MINUTE, True, {"other": 1, "state": "linked"}),
        says("maybe", 61, 2, 5, 5, "candidate", confidence=0.6),
        says("nothing declared", 11, 41, 5, 5),
    ]
    told = report([touch("t", 21, 3, 3), touch("contract", 41, 3, 3)], rows)
    said = {s.link: s for s in told.evidence}
    assert (said["line -> customer"].linked, said["email -> customer"].withdrawn) == (1, 1)
    assert (said["loyalty -> customer"].candidates, said["loyalty -> customer"].doubtful) == (1, 1)
    assert (told.unconnected, told.elsewhere, told.entities) == (1, 1, 2)
    assert (told.keys_each.some, told.keys_each.none, told.keys_each.most) == (1, 1, 1)
    keys = {k.key_type: (k.heard, k.held) for k in told.keys}
    assert keys["cookie"] == (1, 0)
    assert keys["customer"] == (2, 2)
    assert keys["account"] == (1, None)
    early = report([], rows, 10)
    assert {k.key_type: k.held for k in early.keys}["email"] == 1
    of_accounts = report([touch("contract", 41, 3, 3)], rows, of="account")
    assert (of_accounts.elsewhere, of_accounts.facts[0].identified) == (0, 1.0)


def test_nothing_is_no_error_and_a_time_before_anything_is_one() -> None:
    told = report([], [])
    assert (told.facts, told.months, told.entities, told.keys_each.most) == ((), (), 0, 0)
    with pytest.raises(ReportError, match=r"nothing was known at 1969-12-31T22:00:00\+00:00: the lake covers"):
        report([], [], -120)
    with pytest.raises(ReportError, match="'ship' is not a type of key"):
        report([], [], of="ship")


def test_the_picture_is_drawn_also_of_nothing(tmp_path: Path) -> None:
    facts = [touch(str(i), 21, i, i) for i in range(5)]
    for name, told in {"some": report(facts, [says("login", 21, 1, 6, 6)]), "none": report([], [])}.items():
        assert draw(told, tmp_path / f"{name}.png").stat().st_size > 5_000


def test_a_lake_gives_no_more_than_is_counted_by(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert list(fact_tables(lake, lake.snapshot())) == []
    rows = journey([touch("a", 21, 1, 1)]).drop_columns(["until"])
    lake.append("journey", rows)
    ((name, found),) = fact_tables(lake, lake.snapshot())
    assert (name, set(found.column_names)) == ("journey", {"key_id", "at", "known_at", "until", "phase", "channel"})
    assert isinstance(found, pa.Table)
