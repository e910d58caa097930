"""Who holds a key and why: the way up says what reach says, by evidence that was known, and nobody has a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linked_worlds import CATALOG, END, LINKS, TYPES, evidence, linked, says, table
from oracle import Fact
from worlds import MINUTE

from features.declare import Catalog, DeclarationError
from features.identity.told.nobody import WHAT
from features.identity.told.report import ReportError
from features.identity.told.who import Answer, spans, who

PERSONAL = [key for key, kind in TYPES.items() if kind not in ("account", "site")]
minutes = st.integers(0, 90).map(lambda m: m * MINUTE)


def ask(rows: list[Fact], key: int, at: float, seen: float | None = None, of: str = "customer") -> Answer:
    when, then = round(at * MINUTE), round((at if seen is None else seen) * MINUTE)
    return who(linked(rows), table(rows), TYPES[key], key, when, then, of)


def only_reason(answer: Answer) -> str:
    assert not answer.holders
    return answer.reasons[0].what


@given(
    rows=evidence(),
    key=st.sampled_from(PERSONAL),
    at=minutes,
    seen=minutes,
    of=st.sampled_from(["customer", "account"]),
)
def test_the_way_up_leads_to_whom_reach_says(rows: list[Fact], key: int, at: int, seen: int, of: str) -> None:
    history = linked(rows)
    answer = who(history, table(rows), TYPES[key], key, at, seen, of)
    assert sorted(answer.entities) == history.find(TYPES[key], key, at, seen, of).tolist()
    assert bool(answer.holders) != bool(answer.reasons)
    assert all(reason.what in WHAT for reason in answer.reasons)
    by_id = {row.id: row for row in rows}
    for holding in answer.holders:
        ends = [key, *(step.parent for step in holding.steps)]
        assert ends[-1] == holding.entity
        assert [step.child for step in holding.steps] == ends[:-1]
        assert holding.at_from <= at < holding.at_to
        assert holding.known_from < seen <= holding.known_to
        for step in holding.steps:
            assert step.evidence, step
            for said in step.evidence:
                row = by_id[said.id]
                assert (said.state, said.known_at < seen) == ("linked", True)
                assert step.rule == "alias" or (row.key, row.values["other"]) == (step.child, step.parent)


@settings(max_examples=30)
@given(rows=evidence(), key=st.sampled_from(PERSONAL), at=minutes, seen=minutes)
def test_the_spans_of_a_key_hold_everybody_who_ever_held_it(rows: list[Fact], key: int, at: int, seen: int) -> None:
    history = linked(rows)
    there = [s for s in spans(history, key) if s.at_from <= at < s.at_to and s.known_from < seen <= s.known_to]
    assert sorted(s.entity for s in there) == history.find(TYPES[key], key, at, seen).tolist()


def test_a_login_names_a_cookie_and_reaches_back_as_far_as_declared() -> None:
    rows = [says("login", 21, 1, 30, 31), says("again", 21, 1, 40, 41)]
    (holding,) = ask(rows, 21, 35).holders
    (step,) = holding.steps
    assert (holding.entity, step.rule, [s.id for s in step.evidence]) == (1, "link", ["login"])
    (step,) = ask(rows, 21, 15, 50).holders[0].steps
    assert (step.rule, step.back, [s.id for s in step.evidence]) == ("back", "20m", ["login", "again"])
    assert (step.at_from, step.known_from) == (10 * MINUTE, 31 * MINUTE)
    before = ask(rows, 21, 5, 50)
    assert (only_reason(before), before.reasons[0].at) == ("not_yet", 10 * MINUTE)


def test_what_is_not_known_yet_is_said_to_be_known_later() -> None:
    answer = ask([says("login", 21, 1, 30, 40)], 21, 35)
    assert only_reason(answer) == "later"
    assert answer.reasons[0].known == 40 * MINUTE
    assert [s.id for s in answer.reasons[0].evidence] == ["login"]


def test_a_reassigned_number_says_what_ended_it_and_whose_it_was() -> None:
    rows = [says("his", 11, 1, 0, 0), says("gone", 11, 1, 20, 21, "unlinked"), says("hers", 11, 2, 30, 31)]
    assert ask(rows, 11, 10, 50).holders[0].steps[0].ended == "apart"
    quiet = ask(rows, 11, 25)
    assert (only_reason(quiet), quiet.reasons[0].by, quiet.reasons[0].at) == ("ended", "apart", 20 * MINUTE)
    assert only_reason(ask(rows, 11, 20, 25)) == "ended"
    sold = [rows[0], rows[2]]
    assert ask(sold, 11, 10, 50).holders[0].steps[0].ended == "newer link"
    assert ask(sold, 11, 40).entities == (2,)


def test_a_key_too_many_share_names_nobody_and_says_since_when() -> None:
    rows = [says(str(parent), 21, parent, 10 + parent, 20 + parent) for parent in (1, 2, 3)]
    assert ask(rows, 21, 15, 22.5).entities == (2,)
    answer = ask(rows, 21, 15, 50)
    assert (only_reason(answer), answer.reasons[0].parents, answer.reasons[0].known) == ("guarded", 3, 23 * MINUTE)
    assert answer.candidates == ()


def test_an_undone_link_never_was_and_a_withdrawn_one_is_dropped() -> None:
    apart = [says("typed wrong", 51, 1, 10, 10), says("mended", 51, 1, 20, 20, "unlinked")]
    assert ask(apart, 51, 15, 18).entities == (1,)
    later = ask(apart, 51, 15, 50)
    assert {"dropped", "apart"} <= {reason.what for reason in later.reasons}
    void = [says("x", 51, 1, 10, 10), Fact("x", 51, 10 * MINUTE, 30 * MINUTE, True, {"other": 1, "state": "linked"})]
    assert [said.id for said in ask(void, 51, 15, 30).holders[0].steps[0].evidence] == ["x"]
    withdrawn = ask(void, 51, 15, 30 + 1 / MINUTE)
    assert (only_reason(withdrawn), withdrawn.reasons[0].by) == ("dropped", "withdrawn")


def test_an_alias_says_which_statement_made_it_one_and_an_unmerge_restores_it() -> None:
    rows = [
        says("card", 51, 2, 5, 5),
        says("older", 11, 1, 1, 1),
        says("same", 2, 1, 20, 21),
        says("no", 2, 1, 40, 41, "unlinked"),
    ]
    (holding,) = ask(rows, 51, 30).holders
    assert (holding.entity, holding.aliases) == (1, (2,))
    assert [(step.rule, step.evidence[0].id) for step in holding.steps] == [("link", "card"), ("alias", "same")]
    assert ask(rows, 2, 30).entities == (1,)
    assert ask(rows, 51, 30, 50).entities == ask(rows, 51, 10).entities == (2,)


def test_ids_merged_over_others_are_explained_by_every_statement_between() -> None:
    rows = [says("oldest", 11, 1, 0, 0), says("a", 3, 2, 10, 10), says("b", 2, 1, 11, 11)]
    (holding,) = ask(rows, 3, 20).holders
    assert (holding.entity, holding.aliases) == (1, (2, 3))
    assert {s.id for s in holding.steps[0].evidence} == {"a", "b"}


def test_a_card_is_followed_over_an_address_and_both_ways_are_told() -> None:
    rows = [says("card", 61, 51, 1, 1), says("address", 51, 2, 2, 2), says("till", 61, 2, 5, 5)]
    answer = ask(rows, 61, 10)
    assert answer.entities == (2,)
    assert [[s.parent_type for s in h.steps] for h in answer.holders] == [["customer"], ["email", "customer"]]
    dead_end = ask(rows[:1], 61, 10)
    assert [(r.what, r.child_type) for r in dead_end.reasons] == [("never", "email")]


def test_candidates_are_told_with_their_probability_and_hold_nothing() -> None:
    answer = ask([says("maybe", 61, 1, 1, 1, "candidate", confidence=0.7)], 61, 10)
    assert only_reason(answer) == "candidate"
    assert answer.reasons[0].evidence[0].confidence == 0.7
    ((entity, probability),) = answer.candidates
    assert (entity, 0.5 < probability < 0.9) == (1, True)


def test_a_key_nobody_ever_heard_of_and_one_that_nothing_links() -> None:
    assert only_reason(who(linked([]), table([]), "cookie", 999, END, END)) == "unheard"
    assert only_reason(ask([], 21, 10)) == "never"


def test_what_cannot_be_asked_is_said() -> None:
    history, none = linked([]), table([])
    with pytest.raises(
        DeclarationError, match=r"no link leads from 'account' to 'customer' \(it may be asked of: account\)"
    ):
        who(history, none, "account", 41, END)
    with pytest.raises(DeclarationError, match="'ship' is not a type of key"):
        who(history, none, "cookie", 21, END, of="ship")
    with pytest.raises(ReportError, match="nothing was known at 1969"):
        who(history, none, "cookie", 21, END, -200 * MINUTE)


def test_links_no_longer_declared_lead_nowhere() -> None:
    rows = [says("login", 21, 1, 1, 1)]
    catalog = Catalog(CATALOG.key_types, tuple(link for link in LINKS if link.child != "cookie"), (), ())
    with pytest.raises(DeclarationError, match="no link leads from 'cookie'"):
        who(linked(rows, catalog), table(rows), "cookie", 21, END)


def test_a_cookie_of_hundreds_of_logins_is_told_as_one_step() -> None:
    rows = [says(f"e{i}", 21, 1, i / 10, i / 10) for i in range(400)]
    (step,) = ask(rows, 21, 50).holders[0].steps
    assert len(step.evidence) == 400
    assert np.all(np.diff([s.at for s in step.evidence]) > 0)
