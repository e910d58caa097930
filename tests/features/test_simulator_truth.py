"""The truth: the same luck again, futures that agree with what comes, and effects between their bounds."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.facts import SOURCES
from features.simulator import Batch, Scenario, simulate
from features.simulator.clock import clock
from features.simulator.draws import Draws, derived, lanes
from features.simulator.life.actions import CATALOGUE
from features.simulator.life.hazards import MOST_HARM, MOST_HELP
from features.simulator.run import START, Part, end, found, live, run
from features.simulator.scenario import NEEDS
from features.simulator.truth import Operator, effects, futures, hazards
from features.simulator.truth.fork import Fork
from features.simulator.vocabulary import ACTIONS

ROOT = Path(__file__).parents[2]
OPERATOR = Operator(800, 4, 5, scenario=Scenario(warm_up_days=60))
CUTOFF = datetime(2025, 2, 1, tzinfo=UTC)


@cache
def told(share: float = 1.0) -> pd.DataFrame:
    return futures(OPERATOR, [CUTOFF], replays=8, share=share, unseen=True).to_pandas()


@cache
def done() -> pd.DataFrame:
    table = effects(OPERATOR, [CUTOFF], replays=12, share=0.3).to_pandas()
    nothing = table[table.action == "do_nothing"].set_index("customer").leave_60
    return table.assign(effect=table.leave_60 - table.customer.map(nothing))


@cache
def operator() -> tuple[Batch, ...]:
    return tuple(simulate(OPERATOR.customers, OPERATOR.months, OPERATOR.seed, scenario=OPERATOR.scenario))


@cache
def facts(source: str) -> pd.DataFrame:
    return pa.concat_tables([batch.rows for batch in operator() if batch.source == source]).to_pandas()


@given(seed=st.integers(0, 2**40), day=st.integers(-400, 4000), cut=st.integers(1, 99))
@settings(max_examples=20, deadline=None)
def test_a_number_depends_on_seed_topic_day_and_lane_alone(seed: int, day: int, cut: int) -> None:
    who = lanes("customer", np.arange(100))
    whole = Draws(seed).uniform("topic", day, who)
    assert ((whole > 0) & (whole < 1)).all()
    assert np.array_equal(Draws(seed).uniform("topic", day, who[cut:]), whole[cut:])
    others = (
        Draws(seed).uniform("other", day, who),
        Draws(seed).uniform("topic", day + 1, who),
        Draws(seed + 1).uniform("topic", day, who),
        Draws(seed).uniform("topic", day, derived(who, 1)),
    )
    assert all(not (other == whole).any() for other in others)


def test_the_numbers_are_uniform_and_unrelated_over_lanes_days_and_topics() -> None:
    who, draws = lanes("customer", np.arange(2000)), Draws(3)
    numbers = np.stack([draws.uniform("topic", day, who) for day in range(-200, 1800)])
    counts = np.bincount((numbers.ravel() * 100).astype(int), minlength=100)
    expected = numbers.size / 100
    assert ((counts - expected) ** 2 / expected).sum() < 160  # chi-square, 99 degrees of freedom, p = 0.0001
    pairs = np.corrcoef(numbers)[np.triu_indices(2000, 1)], np.corrcoef(numbers.T)[np.triu_indices(2000, 1)]
    for found_pairs in pairs:
        assert abs(found_pairs.std() * 2000**0.5 - 1) < 0.02
    topics = np.corrcoef([draws.uniform(f"topic {k}", 0, who) for k in range(60)])[np.triu_indices(60, 1)]
    assert abs(topics).max() < 5 / 2000**0.5


def digest(threads: int) -> str:
    """The bytes of a small simulation in a process of its own with so many threads."""
    code = (
        "import hashlib, pyarrow as pa\n"
        "from features.simulator import Scenario, simulate\n"
        "said = hashlib.sha256()\n"
        "for batch in simulate(300, 2, 3, scenario=Scenario(warm_up_days=20)):\n"
        "    sink = pa.BufferOutputStream()\n"
        "    with pa.ipc.new_stream(sink, batch.rows.schema) as out:\n"
        "        out.write_table(batch.rows.combine_chunks())\n"
        "    said.update(batch.source.encode() + repr(batch.covered).encode() + sink.getvalue())\n"
        "print(said.hexdigest())\n"
    )
    wanted = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_NUM_THREADS"), str(threads))
    env = {**os.environ, **wanted, "PYTHONHASHSEED": str(threads)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env, cwd=ROOT
    ).stdout


def test_the_same_bytes_come_from_any_number_of_threads_and_any_process() -> None:
    one = digest(1)
    assert len(one.strip()) == len(hashlib.sha256().hexdigest())
    assert digest(3) == one


def test_the_truth_is_about_the_very_operator_that_was_simulated() -> None:
    profile = facts("profile")
    given_notice = profile[(profile.status == "notice") & (profile["at"] > CUTOFF)].set_index("key")["at"]
    noticed = told().set_index("customer").noticed.dropna()
    both = noticed.index.intersection(given_notice.index)
    assert len(both) > 10
    assert (noticed[both].dt.floor("s") == given_notice[both].dt.floor("s")).all()
    silent = profile[(profile.status == "left") & ~profile.key.isin(given_notice.index)].set_index("key")["at"]
    rest = noticed.index.difference(both)
    known = noticed[rest] < noticed.max() - timedelta(days=1)  # the last day's rows are never delivered
    assert (noticed[rest][known] == silent.reindex(rest)[known]).all()


def test_whom_else_one_asks_about_changes_no_ones_future() -> None:
    some = told(0.3).set_index("customer")
    whole = told().set_index("customer").loc[some.index]
    assert 0.15 * len(told()) < len(some) < 0.5 * len(told())
    pd.testing.assert_frame_equal(some, whole)


def test_a_longer_horizon_is_never_safer_and_chances_are_chances() -> None:
    for topic in ("leave", "blind", *NEEDS):
        nearer, later = told()[f"{topic}_30"], told()[f"{topic}_90"]
        assert (nearer <= later + 1e-6).all()
        assert later.between(0, 1).all()


def test_what_the_futures_add_up_is_what_they_live() -> None:
    """The sums of chances over a fork and the number of its customers who did leave have the same mean."""
    world = found(1500, clock(START, 3), 7, OPERATOR.scenario)
    for part in run(world):
        if part is Part.MORNING and world.day == 31:
            break
    who = world.alive[world.people.noticed[world.alive] > world.now]
    fork = Fork(world, who, 1, 20)
    for day in range(31, 31 + 45):
        fork.world.wake(day)
        live(fork.world)
        end(fork.world)
    assert fork.world.tally is not None
    rows = fork.rows.ravel()
    expected = fork.world.tally.within("leave", 31, 76)[rows].sum()
    last = fork.world.clock.midnight(76)
    noticed = fork.world.people.noticed[rows]
    before = world.people.silent[np.tile(who, 20)] & (noticed < last)
    came = ((noticed < last) & ~before).sum()
    assert expected > 500
    assert abs(came - expected) < 6 * expected**0.5  # end users of an enterprise leave together


def test_a_fork_leaves_the_world_as_it_was() -> None:
    futures_taken = told()
    again = futures(OPERATOR, [CUTOFF, CUTOFF + timedelta(days=40)], replays=2).to_pandas()
    first = again[again.cutoff == again.cutoff.min()].set_index("customer").noticed
    assert first.equals(futures_taken.set_index("customer").noticed.reindex(first.index))


def test_unseen_frailty_is_all_that_the_blind_do_not_know() -> None:
    table = told()
    frail, sturdy = table[table.frailty > 1.3], table[table.frailty < 0.6]
    assert (frail.leave_60 > frail.blind_60).mean() > 0.85
    assert (sturdy.leave_60 < sturdy.blind_60).mean() > 0.85


def test_doing_nothing_is_the_only_arm_without_effect_and_none_leaves_its_bounds() -> None:
    table = done()
    assert set(table.action) == set(ACTIONS) == {action.id for action in CATALOGUE}
    assert (table[table.action == "do_nothing"].effect == 0).all()
    allowed = table[table.eligible]
    others = allowed[allowed.action != "do_nothing"].effect
    assert others.min() < -0.003
    assert others.max() > 0.003
    assert others.between(60 * MOST_HELP, 60 * MOST_HARM).mean() > 0.999


def test_an_action_helps_whom_it_is_for_and_harms_others() -> None:
    table = done()[done().eligible]
    by_action = table.groupby("action").effect.mean()
    assert by_action["roaming_pass"] > 0  # selling to everyone costs some of them
    assert by_action["tech_visit"] < by_action["roaming_pass"]
    discount = table[table.action == "loyalty_discount"]
    assert (discount.effect > 0).any()
    assert (discount.effect < 0).any()


def test_sure_stayers_take_a_discount_too_and_pay_less() -> None:
    table = done()[(done().action == "loyalty_discount") & done().eligible]
    sure = table[table.leave_60 < table.leave_60.median()]
    assert sure.accept.mean() > 0.3
    nothing = done()[done().action == "do_nothing"].set_index("customer").value_share
    assert (sure.value_share - sure.customer.map(nothing)).mean() < -0.01


def test_effects_at_a_contact_are_about_those_decided_on_that_day() -> None:
    contact = facts("contact")
    shown = contact[contact.decision.notna() & (contact.response == "shown")]
    today = shown[(shown["at"] >= CUTOFF) & (shown["at"] < CUTOFF + timedelta(days=1))]
    asked = effects(OPERATOR, [CUTOFF], replays=1, share=0.3, at_contact=True).to_pandas()
    assert set(asked.customer) == set(today.key)


def test_decisions_are_logged_with_their_true_probabilities_and_never_for_the_control_group() -> None:
    contact = facts("contact")
    first = contact[(contact.slot == 1) & (contact.response == "shown") & (contact.origin != "other")]
    first = first.drop_duplicates("decision")
    control = first[first.origin == "control"]
    assert len(control) > 0
    assert (control.action == "do_nothing").all()
    assert (control.propensity == 1).all()
    treated = first[first.origin == "tieline"]
    assert treated.propensity.between(1e-3, 1).all()
    # Horvitz and Thompson: every action's share, weighted by one over its probability, adds up to the decisions at
    # which it could have been shown; "how_to_help" always could.
    weights = 1 / treated[treated.action == "how_to_help"].propensity
    spread = (weights**2).sum() ** 0.5
    assert abs(weights.sum() - len(treated)) < 4 * spread
    assert not set(first[first.origin == "control"].key) & set(treated.key)


def test_one_visit_is_one_decision_and_answers_come_later() -> None:
    contact = facts("contact")
    ours = contact[contact.decision.notna()]
    slots = ours[(ours.response == "shown") & (ours.slot == 1)].groupby("decision")
    assert (slots.action.nunique() == 1).all()
    assert (slots.size() > 1).any()
    shown_at = slots["at"].min()
    answers = ours[ours.response.isin(["accepted", "declined"])]
    late = answers["at"] - answers.decision.map(shown_at)
    assert (late.dropna() > timedelta(0)).all()
    assert late.max() > timedelta(days=3)
    assert answers.decision.duplicated().any()


def test_nothing_of_the_truth_is_delivered() -> None:
    """No column beside the declared ones, and no value of the truth under any of them."""
    table, hidden = told(), hazards(800, 4, 5, scenario=OPERATOR.scenario).to_pandas()
    secret = np.concatenate([table.frailty, table.leave_60, table.blind_60, hidden.hazard, hidden["first"]])
    secret = np.unique(np.round(secret[secret < 1], 9))
    assert len(secret) > 1000
    common = {"id", "key_type", "key", "at", "known_at", "void", "other_type", "other"}
    for source in SOURCES:
        rows = facts(source)
        assert set(rows.columns) <= common | {column.name for column in SOURCES[source].columns}
        for name in rows.select_dtypes("number"):
            values = rows[name].dropna().astype(float).unique()
            values = values[np.round(values, 4) != values]  # a few digits can meet by chance
            assert not np.isin(np.round(values, 9), secret).any(), (source, name)


def test_the_hour_of_the_day_tells_nothing_of_the_customer() -> None:
    """What decides that something happens must not decide when: the hour would show how likely it was."""
    journey = facts("journey")
    hour = journey["at"].dt.hour + journey["at"].dt.minute / 60
    common = journey.groupby(["channel", "action"]).filter(lambda rows: len(rows) > 300)
    for (channel, action), rows in common.groupby(["channel", "action"]):
        if action != "login":
            assert hour[rows.index].quantile(0.9) - hour[rows.index].quantile(0.1) > 7, (channel, action)
    heard = journey[journey.action.isin(["complain", "call"])].dropna(subset="sentiment")
    assert abs(hour[heard.index].corr(heard.sentiment, method="spearman")) < 0.1


def test_a_look_at_prices_is_of_the_day_of_the_enquiry() -> None:
    """A look known at midnight would tell of tomorrow's enquiry."""
    journey = facts("journey")
    looks = journey[(journey.action == "compare") & (journey.topic == "price")]
    assert len(looks) > 20
    assert (looks["at"].dt.hour >= 7).all()


@pytest.mark.parametrize(
    "asked", [{"replays": 0}, {"horizons": ()}, {"horizons": (0, 30)}, {"share": 0.0}, {"share": 2.0}, {"cutoffs": []}]
)
def test_questions_that_make_no_sense_are_refused(asked: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(asked))):
        futures(OPERATOR, **{"cutoffs": [CUTOFF], **asked})


@pytest.mark.parametrize(
    "cutoff", [datetime(2025, 2, 1), datetime(2024, 2, 1, tzinfo=UTC), datetime(2025, 2, 1, 3, tzinfo=UTC)]
)
def test_a_cutoff_outside_the_run_or_within_a_day_is_refused(cutoff: datetime) -> None:
    with pytest.raises(ValueError, match="midnights UTC within"):
        futures(OPERATOR, [cutoff])
