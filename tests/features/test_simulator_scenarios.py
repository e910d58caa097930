from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.simulator import DEFAULT, SCENARIOS, Effects, Feeds, Scenario, fingerprint, scenario_named, simulate
from features.simulator.run import START
from features.simulator.truth import hazards


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("login_share", lambda: Scenario(login_share="much")),  # type: ignore[arg-type]
        ("login_share", lambda: Scenario(login_share=True)),
        ("warm_up_days", lambda: Scenario(warm_up_days=1.5)),  # type: ignore[arg-type]
        ("household_share and enterprise_share", lambda: Scenario(household_share=0.6, enterprise_share=0.4)),
        ("storm_days", lambda: Scenario(storm_days=(30, 60))),
        ("storm_days", lambda: Scenario(storm_days=(30, 30))),
        ("storm_days", lambda: Scenario(storm_days=(30, -1))),
        ("storm_days", lambda: Scenario(storm_days=(30,))),  # type: ignore[arg-type]
        ("storm_factor", lambda: Scenario(storm_factor=0.0)),
        ("surge", lambda: Scenario(surge=float("nan"))),
        ("availability_target", lambda: Scenario(availability_target=101.0)),
        ("feeds.late_share", lambda: Feeds(late_share=1.01)),
        ("feeds.late_days", lambda: Feeds(late_days=0.0)),
        ("feeds.outages_yearly", lambda: Feeds(outages_yearly=-1.0)),
        ("feeds.outage_hours", lambda: Feeds(outage_hours=(48.0, 6.0))),
        ("feeds.outage_hours", lambda: Feeds(outage_hours=(0.0, 6.0))),
        ("effects.kin", lambda: Effects(kin=float("nan"))),
        ("feeds", lambda: Scenario(feeds={})),  # type: ignore[arg-type]
        ("name", lambda: Scenario(name="")),
    ],
)
def test_a_scenario_that_cannot_be_names_its_field(field: str, make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=rf"scenario: {field}"):
        make()


def test_scenarios_have_names_and_an_unknown_one_is_told_which_there_are() -> None:
    assert set(SCENARIOS) == {"default", "storm", "price_rise", "dirty", "small"}
    assert all(scenario_named(name).name == name for name in SCENARIOS)
    assert len({hash(scenario) for scenario in SCENARIOS.values()}) == 5
    with pytest.raises(ValueError, match=r"no scenario 'strom' \(there are: default, storm,"):
        scenario_named("strom")


def test_a_fingerprint_follows_every_value_and_nothing_else() -> None:
    assert fingerprint(Scenario()) == fingerprint(DEFAULT)
    assert fingerprint(replace(DEFAULT, name="another", touches=1)) == fingerprint(DEFAULT)
    assert len({fingerprint(scenario) for scenario in SCENARIOS.values()}) == 5
    assert fingerprint(replace(DEFAULT, feeds=Feeds(outage_hours=(6.0, 47.0)))) != fingerprint(DEFAULT)
    assert fingerprint(replace(DEFAULT, effects=Effects(kin=0.81))) != fingerprint(DEFAULT)


@pytest.mark.parametrize(("name", "months"), [("storm", 4), ("price_rise", 1)])
def test_a_simulation_too_short_for_its_scenario_is_refused_at_once(name: str, months: int) -> None:
    with pytest.raises(ValueError, match=f"scenario '{name}' .* more months are needed"):
        simulate(10, months, 1, scenario=scenario_named(name))


def test_a_storm_breaks_sites_in_its_month_only() -> None:
    calm, storm = (replace(scenario_named("small"), storm_factor=f, storm_days=(40, 10)) for f in (1.0, 6.0))
    days = {name: outage_days(scenario) for name, scenario in (("calm", calm), ("storm", storm))}
    assert days["storm"][19:49].sum() > 3 * days["calm"][19:49].sum()
    np.testing.assert_array_equal(days["storm"][:19], days["calm"][:19])
    assert days["storm"][49:].sum() < 2 * days["calm"][49:].sum()


def test_a_surge_makes_more_people_leave_in_its_days_only() -> None:
    calm = replace(scenario_named("small"), surge_days=20, general_rises_yearly=0.0)
    january, february, march = (
        [risk(replace(calm, surge=surge)).iloc[month] for surge in (0.0, 0.8)] for month in range(3)
    )
    assert january[1] == january[0]
    assert february[1] > february[0]  # it is announced twenty days before
    assert march[1] > 1.4 * march[0]


def risk(scenario: Scenario) -> pd.Series:
    """The voluntary hazard of 300 customers together, by month of three."""
    return hazards(300, 3, 4, scenario=scenario).to_pandas().groupby("month").hazard.sum()


def outage_days(scenario: Scenario) -> np.ndarray:
    """(59,) how many outages of sites opened on each day of January and February 2025."""
    batches = [b.rows.to_pandas() for b in simulate(600, 2, 4, scenario=scenario) if b.source == "faults"]
    rows = pd.concat(batches).drop_duplicates("id")
    opened = rows[(rows.key_type == "site") & (rows.state == "opened") & ~rows.planned.astype(bool)]
    return np.bincount((opened["at"] - START).dt.days, minlength=59)
