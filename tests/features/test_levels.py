"""Every level reads through one construct: a line, a customer, an account and a site are each what reach makes them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import World
from test_rule_of_time import ask, fault, link, same, without_the_unknown, world_of
from worlds import FEATURES, MINUTE, TYPES, cutoffs, history, worlds

from features.conditions import DeclarationError
from features.declare import Feature

LEVELS = {
    level: [key for key, key_type in TYPES.items() if key_type == level]
    for level in ("line", "customer", "account", "site")
}
OWN = [f for f in FEATURES if not (f.of or f.via)]
READ = {"line": FEATURES, "customer": FEATURES, "account": OWN, "site": OWN}
"""An account is at no site and belongs to nobody, so it has nothing but what its own reach holds."""

VISITS = Feature("journey", "count", window="40m")
HERE = Feature("faults", "count", window="40m", where={"state": "opened"})
AT_HOME = replace(HERE, via="site")
OF_HOME = replace(HERE, of="site")
OF_ALL = replace(VISITS, of="account")


def frame(world: World, level: str, at: list[int], features: list[Feature] | None = None) -> pd.DataFrame:
    """Every entity of a level at every cutoff, entity by entity."""
    entities = np.repeat(LEVELS[level], len(at))
    return history(world).frame(level, entities, np.tile(at, len(LEVELS[level])), features or READ[level])


def value(world: World, feature: Feature, entity: int, minute: float) -> float:
    at = np.array([round(minute * MINUTE)])
    found = history(world).frame(TYPES[entity], np.array([entity]), at, [feature])[feature.name].iloc[0]
    assert same(found, world.value(feature, entity, int(at[0])))
    return float(found)


@pytest.mark.parametrize("level", ["line", "account", "site"])
@settings(max_examples=50)
@given(world=worlds(), at=st.lists(cutoffs, min_size=1, max_size=2))
def test_every_feature_of_every_level_equals_the_oracle(level: str, world: World, at: list[int]) -> None:
    found = frame(world, level, at)
    for i, (entity, c) in enumerate((e, c) for e in LEVELS[level] for c in at):
        for feature in READ[level]:
            expected = world.value(feature, entity, c)
            assert same(found[feature.name].iloc[i], expected), (feature.name, entity, c, expected)


@pytest.mark.parametrize("level", ["line", "account", "site"])
@settings(max_examples=20)
@given(world=worlds(), c=cutoffs)
def test_what_is_known_later_changes_no_feature_of_any_level(level: str, world: World, c: int) -> None:
    past = replace(
        world,
        facts={name: without_the_unknown(facts, c) for name, facts in world.facts.items()},
        evidence=without_the_unknown(world.evidence, c),
    )
    pd.testing.assert_frame_equal(frame(world, level, [c]).astype(object), frame(past, level, [c]).astype(object))


def test_an_account_of_one_reads_what_its_customer_reads_and_its_own_key() -> None:
    facts = [ask("hers", 1, 5, 5), ask("her line's", 11, 6, 6), ask("the contract's", 41, 7, 7)]
    world = world_of(facts, [link("line", 11, 1, 0, 0), link("account", 1, 41, 0, 0)])
    assert value(world, VISITS, 1, 20) == 2
    assert value(world, VISITS, 41, 20) == value(world, OF_ALL, 1, 20) == 3


def test_an_account_reads_all_its_customers_and_each_of_them_reads_the_whole_account() -> None:
    facts = [ask("his", 1, 5, 5), ask("hers", 2, 6, 6), ask("her line's", 12, 7, 7)]
    evidence = [link("a", 1, 41, 0, 0), link("b", 2, 41, 0, 0), link("line", 12, 2, 0, 0)]
    world = world_of(facts, evidence)
    assert value(world, VISITS, 41, 20) == 3
    assert value(world, OF_ALL, 1, 20) == value(world, OF_ALL, 2, 20) == 3
    assert value(world, VISITS, 1, 20) == 1


def test_who_changes_the_account_leaves_their_past_with_the_old_one() -> None:
    world = world_of(
        [ask("before", 1, 5, 5), ask("after", 1, 15, 15), ask("hers", 2, 12, 12)],
        [link("first", 1, 41, 0, 0), link("second", 1, 42, 10, 12), link("hers", 2, 42, 0, 0)],
        types=(types := {**TYPES, 42: "account"}),
    )
    hist = history(world)
    at = np.array([11, 12, 20]) * MINUTE + 1
    assert hist.frame("account", np.full(3, 41), at, [VISITS])[VISITS.name].tolist() == [1, 1, 1]
    assert hist.frame("account", np.full(3, 42), at, [VISITS])[VISITS.name].tolist() == [0, 1, 2]
    assert hist.frame("customer", np.full(3, 1), at, [OF_ALL])[OF_ALL.name].tolist() == [1, 1, 2]
    for account in (41, 42):
        for c in at.tolist():
            assert types[account] == "account"
            assert hist.frame("account", np.array([account]), np.array([c]), [VISITS])[VISITS.name].iloc[0] == (
                world.value(VISITS, account, c)
            )


def test_who_moves_house_keeps_the_outages_lived_through_and_gets_no_others() -> None:
    """``via``: what happened where they were. ``of``: all that ever happened where they are."""
    faults = [
        fault("old home", 31, 5, "opened", "a"),
        fault("old home, after", 31, 15, "opened", "b"),
        fault("new home, before", 32, 6, "opened", "c"),
        fault("new home", 32, 16, "opened", "d"),
    ]
    world = world_of([], [link("first", 1, 31, 0, 0), link("moved", 1, 32, 10, 10)], facts={"faults": faults})
    assert value(world, AT_HOME, 1, 9) == 1
    assert value(world, AT_HOME, 1, 20) == 2
    assert value(world, OF_HOME, 1, 9) == 1
    assert value(world, OF_HOME, 1, 20) == 2
    assert value(world, HERE, 31, 20) == 2
    assert value(world, HERE, 1, 20) == 0


def test_a_move_known_late_changes_only_later_cutoffs() -> None:
    faults = [fault("old", 31, 12, "opened", "a"), fault("new", 32, 13, "opened", "b")]
    evidence = [link("first", 1, 31, 0, 0), link("moved", 1, 32, 10, 18)]
    world = world_of([], evidence, facts={"faults": [*faults, fault("new 2", 32, 14, "opened", "c")]})
    assert value(world, AT_HOME, 1, 18) == value(world, OF_HOME, 1, 18) == 1
    assert value(world, AT_HOME, 1, 19) == value(world, OF_HOME, 1, 19) == 2


def test_a_line_reads_the_site_and_account_of_whoever_holds_it() -> None:
    facts = {
        "journey": [ask("his", 1, 5, 5), ask("hers", 2, 6, 6)],
        "faults": [fault("his", 31, 5, "opened", "a"), fault("hers", 32, 15, "opened", "b")],
    }
    homes = [link("his home", 1, 31, 0, 0), link("her home", 2, 32, 0, 0)]
    accounts = [link("his account", 1, 41, 0, 0), link("her account", 2, 42, 0, 0)]
    handed_on = [link("line", 11, 1, 0, 0), link("sold", 11, 2, 10, 10)]
    world = world_of([], [*homes, *accounts, *handed_on], facts=facts, types={**TYPES, 42: "account"})
    for minute, here, of_home, of_all in ((9, 1, 1, 1), (20, 2, 1, 1)):
        assert value(world, AT_HOME, 11, minute) == here
        assert value(world, OF_HOME, 11, minute) == of_home
        assert value(world, OF_ALL, 11, minute) == of_all


def test_a_parent_reached_over_two_paths_is_one_parent() -> None:
    """A cookie that two members of one account use is in that account once, and sees its outages once."""
    faults = [fault("outage", 31, 12, "opened")]
    evidence = [link("a", 21, 1, 1, 1), link("b", 21, 2, 5, 5), link("c", 1, 31, 0, 0), link("d", 2, 31, 0, 0)]
    world = world_of([], evidence, facts={"faults": faults})
    assert value(world, AT_HOME, 21, 20) == 1


def test_a_level_no_link_leads_to_is_said() -> None:
    with pytest.raises(DeclarationError, match="no link leads from 'account' to 'site'"):
        history(world_of([], [])).frame("account", np.array([41]), np.array([MINUTE]), [AT_HOME])


def test_a_level_of_which_nothing_is_known_is_no_error() -> None:
    no_facts = World({}, [], TYPES, world_of([], []).links, {})
    for level in LEVELS:
        found = frame(no_facts, level, [MINUTE], [VISITS])
        assert found[VISITS.name].isna().all()
