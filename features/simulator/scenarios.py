"""The scenarios there are, by name, and what they say."""

import hashlib
import json
from dataclasses import asdict

from features.simulator.scenario import DEFAULT, Feeds, KeyHabits, Scenario

_DIRTY = Feeds(
    revised_share=0.06,
    void_share=0.005,
    late_share=0.12,
    late_days=4.0,
    resent_share=0.03,
    damaged_share=0.01,
    outages_yearly=8.0,
    outage_hours=(6.0, 96.0),
)
_CARELESS = KeyHabits(unlinked_share=0.5, written_share=0.7, national_share=0.15, typo_share=0.04, corrected_share=0.4)

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        DEFAULT,
        Scenario(name="storm", storm_factor=6.0, storm_days=(150, 120)),
        Scenario(name="price_rise", surge=0.5, surge_days=60),
        Scenario(name="dirty", feeds=_DIRTY, keys=_CARELESS),
        Scenario(name="small", warm_up_days=30, customers_per_site=25.0),
    )
}
"""The default operator; a bad network month; a price rise near the end; bad feeds; little to compute, for tests."""


def scenario_named(name: str) -> Scenario:
    """The scenario of that name; raises `ValueError` naming those there are."""
    if name not in SCENARIOS:
        raise ValueError(f"there is no scenario '{name}' (there are: {', '.join(SCENARIOS)})")
    return SCENARIOS[name]


def describe(scenario: Scenario = DEFAULT) -> dict[str, object]:
    """Every value of a scenario by name, those of its groups with a dot: ``feeds.late_share``."""
    flat: dict[str, object] = {}
    for name, value in asdict(scenario).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": rate for inner, rate in value.items()}
        else:
            flat[name] = value
    return flat


BEHAVIOUR = 1
"""To be raised with every change of code that changes what a scenario does (docs/decisions/006)."""


def fingerprint(scenario: Scenario) -> str:
    """SHA-256, in hex, of what the scenario declares (but its name) and of `BEHAVIOUR`; 1 and 1.0 are the same."""
    told = {name: _plain(value) for name, value in describe(scenario).items() if name != "name"}
    values = {"behaviour": BEHAVIOUR, **told}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return float(value) if isinstance(value, int) else value
