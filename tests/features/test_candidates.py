"""Who somebody may be: what several keys say together, with probabilities."""

import pytest
from graph_worlds import CATALOG, visits, world_of
from oracle import Fact
from test_rule_of_time import ask, link
from worlds import MINUTE, history


def test_a_candidate_who_is_ruled_out_is_named_no_more() -> None:
    maybe = Fact("c", 61, 0, 0, False, {"other": 3, "state": "candidate", "confidence": 0.7})
    world = world_of([maybe, link("u", 61, 3, 10, 10, "unlinked")])
    assert len(history(world, CATALOG).candidates([("card", 61)], 20 * MINUTE, 20 * MINUTE)[0]) == 0


def test_a_key_says_no_more_for_being_said_twice() -> None:
    told = [link("a", 21, 1, 20, 20), link("b", 21, 2, 30, 30)]
    found = history(world_of(told), CATALOG)
    once, again = (found.candidates([("cookie", 21)] * n, 33 * MINUTE, 33 * MINUTE)[1].tolist() for n in (1, 3))
    assert once == again


def test_who_may_hold_a_key_is_who_holds_it_and_an_alias_has_the_account_of_all() -> None:
    told = [link("l", 51, 1, 0, 0), link("k", 51, 2, 40, 40), link("a", 2, 41, 0, 0), link("m", 2, 1, 41, 41)]
    found = history(world_of(told), CATALOG)
    at = 40 * MINUTE
    assert (
        found.find("email", 51, at, at + 1).tolist() == found.candidates([("email", 51)], at, at + 1)[0].tolist()[-1:]
    )
    later = 50 * MINUTE
    for key in (("customer", 1), ("customer", 2), ("email", 51)):
        assert found.candidates([key], later, later, "account")[0].tolist() == [41]


def test_a_candidate_links_nothing_and_is_named_with_its_probability() -> None:
    maybe = Fact("c", 61, 0, 0, False, {"other": 3, "state": "candidate", "confidence": 0.7})
    world = world_of([maybe], [ask("x", 61, 5, 5)])
    assert visits(world, 3, 10) == 0
    entities, weights = history(world, CATALOG).candidates([("card", 61)], 10 * MINUTE, 10 * MINUTE)
    assert entities.tolist() == [3]
    assert weights[0] == pytest.approx(0.7)


def test_a_shared_browser_names_all_who_were_seen_with_it_lately_and_two_keys_decide() -> None:
    told = [link("a", 21, 1, 20, 20), link("b", 21, 2, 30, 30), link("e", 51, 1, 0, 0)]
    found = history(world_of(told), CATALOG)
    at = 33 * MINUTE
    entities, weights = found.candidates([("cookie", 21)], at, at)
    assert entities.tolist() == [1, 2]
    assert weights[1] > weights[0] > 0.2
    both, decided = found.candidates([("cookie", 21), ("email", 51)], at, at)
    assert both.tolist() == [1, 2]
    assert decided[0] > 0.9
    later = found.candidates([("cookie", 21)], 40 * MINUTE, at)
    assert later[0].tolist() == [2]


def test_two_who_turn_out_to_be_one_are_named_as_one() -> None:
    told = [link("a", 21, 1, 20, 20), link("b", 21, 2, 25, 25), link("m", 1, 2, 30, 30)]
    found = history(world_of(told), CATALOG)
    entities, weights = found.candidates([("cookie", 21)], 32 * MINUTE, 32 * MINUTE)
    assert len(entities) == 1
    assert weights[0] == pytest.approx(1.0, abs=1e-3)
