"""What the operator does to customers at a contact, and what that does to them.

Effects are written in points of 60-day churn, for a customer at the usual risk, per unit of each circumstance in
`circumstances`; below zero helps. ``shown`` comes at once, whatever the answer; ``accepted`` comes with a yes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from features.simulator.clock import DAY
from features.simulator.life.contracts import contract_phase
from features.simulator.scenario import NEEDS
from features.simulator.vocabulary import ACTIONS, PLAN_PRICES, SEGMENTS
from features.simulator.world import World

POINT = 0.01 / 39.5
"""What one point of churn within 60 days is as a daily chance that fades with a half-life of 45 days."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action. ``yes``: log-odds of a yes, per circumstance (``one`` is always 1). ``tilt``: the circumstances in
    which the operator's own rules prefer it. ``discount``: the part of the price given to everyone who accepts.
    """

    id: str
    kind: str
    yes: Mapping[str, float]
    shown: Mapping[str, float] = field(default_factory=dict)
    accepted: Mapping[str, float] = field(default_factory=dict)
    tilt: Mapping[str, float] = field(default_factory=dict)
    need: str | None = None
    discount: float = 0.0
    consent: bool = True


# Whoever had forgotten that they could leave is reminded of it by a retention offer; whoever is angry does not want
# to be sold anything.
_REMINDED = {"contented_asleep": 2.2, "fatigue": 0.5}
_SOLD_TO = {"mood": 1.8, "open_loop": 1.5, "fatigue": 0.5}

CATALOGUE = (
    Action("do_nothing", "none", {"one": -99.0}, consent=False),
    Action(
        "loyalty_discount",
        "retention",
        {"one": -0.3, "rise": 0.6, "enquired": 0.4, "need lower_price": 0.9},
        shown=_REMINDED,
        accepted={"one": -1.2, "rise": -2.5, "enquired": -4.0, "ending": -2.0, "need lower_price": -1.5},
        tilt={"enquired": 2.0, "ending": 1.0},
        need="lower_price",
        discount=0.10,
    ),
    Action(
        "right_size_plan",
        "retention",
        {"one": -1.3, "rise": 0.6, "need lower_price": 1.2},
        shown={"fatigue": 0.4},
        accepted={"one": -0.8, "rise": -2.5, "shock": -1.5, "need lower_price": -2.0},
        tilt={"rise": 2.0},
        need="lower_price",
        discount=0.06,
    ),
    Action(
        "contract_renewal",
        "retention",
        {"one": -1.2, "ending": 0.7, "mood": -1.0, "enquired": -0.5},
        shown={"mood": 1.6, "enquired": 0.8, "contented_asleep": 0.9, "fatigue": 0.4},
        accepted={"one": -2.0, "ending": -4.0},
        tilt={"ending": 2.0},
    ),
    Action(
        "faster_plan",
        "upsell",
        {"one": -2.6, "need faster_line": 2.4},
        shown=_SOLD_TO,
        accepted={"need faster_line": -1.5},
        need="faster_line",
    ),
    Action(
        "device_offer",
        "upsell",
        {"one": -2.5, "need device": 2.3},
        shown=_SOLD_TO,
        accepted={"one": -1.0, "need device": -1.0},
        need="device",
    ),
    Action(
        "roaming_pass",
        "upsell",
        {"one": -2.6, "need roaming": 2.8},
        shown=_SOLD_TO,
        need="roaming",
    ),
    Action(
        "extra_line",
        "upsell",
        {"one": -3.0, "need extra_line": 2.5},
        shown=_SOLD_TO,
        accepted={"one": -1.5},
        need="extra_line",
    ),
    Action(
        "security_pack",
        "upsell",
        {"one": -2.4, "need security": 2.2},
        shown=_SOLD_TO,
        accepted={"one": -0.2},
        need="security",
    ),
    Action(
        "bill_review",
        "care",
        {"one": -0.6, "shock": 1.2, "need bill_clarity": 1.4},
        accepted={"one": 0.2, "shock": -4.0, "need bill_clarity": -1.5},
        tilt={"shock": 2.0},
        need="bill_clarity",
        consent=False,
    ),
    Action(
        "line_check",
        "care",
        {"one": 0.2, "downtime": 0.8},
        shown={"fatigue": 0.2},
        accepted={"downtime": -2.4, "need reliable_line": -1.0},
        tilt={"downtime": 2.0},
        consent=False,
    ),
    Action(
        "tech_visit",
        "mission",
        {"one": -0.7, "downtime": 1.0, "need reliable_line": 1.0},
        shown={"one": 0.2},
        accepted={"one": 0.8, "downtime": -6.0, "need reliable_line": -2.5},
        tilt={"downtime": 1.0},
        need="reliable_line",
        consent=False,
    ),
    Action(
        "goodwill_credit",
        "care",
        {"one": 2.2},
        shown={"bound": 0.3},
        accepted={"breach": -3.0, "downtime": -1.0},
        tilt={"breach": 2.0},
        discount=0.02,
        consent=False,
    ),
    Action(
        "owner_call_back",
        "care",
        {"one": 1.0, "mood": 0.5},
        accepted={"open_loop": -3.5, "mood": -2.0},
        tilt={"open_loop": 2.0},
        consent=False,
    ),
    Action(
        "how_to_help",
        "care",
        {"one": -0.9, "need help_using": 1.8},
        shown={"mood": 0.5},
        accepted={"one": -0.2, "need help_using": -1.8},
        need="help_using",
        consent=False,
    ),
    Action("outage_update", "service_message", {"one": 4.0}, shown={"downtime": -0.7}, consent=False),
)
assert tuple(action.id for action in CATALOGUE) == ACTIONS


def _days_left(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) days until each contract ended this morning; -1e6 without a contract."""
    ends = world.morning.contract_end[who]
    return np.where(ends < 0, -1e6, (ends - world.now) / DAY)


def circumstances(world: World, who: np.ndarray) -> dict[str, np.ndarray]:
    """(n,) each: what actions work on, mostly between 0 and 1, as the day began."""
    people, seen = world.people, world.morning
    bound, ending, free = contract_phase(_days_left(world, who))
    mood = np.minimum(seen.mood[who], 2) / 2
    calm = (1 - mood) * (seen.enquiries[who] < 0.1)
    found = {
        "one": np.ones(len(who)),
        "downtime": 1 - np.exp(-seen.downtime[who] / 12),
        "breach": np.minimum(seen.breaches[who], 1.5) / 1.5,
        "open_loop": (seen.complaints[who] > 0).astype(float),
        "shock": np.minimum(seen.shocks[who], 1),
        "rise": np.minimum(seen.rises[who], 1),
        "enquired": np.minimum(seen.enquiries[who], 1),
        "bound": bound.astype(float),
        "ending": ending.astype(float),
        "free": free.astype(float),
        "mood": mood,
        "fatigue": np.minimum(seen.contacts[who] / 3, 1.5),
        "contented_asleep": people.asleep[who] * calm,
    }
    return found | {f"need {name}": (seen.needs[who, k] >= 0).astype(float) for k, name in enumerate(NEEDS)}


def weighed(effects: Mapping[str, float], given: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) the sum of effects, each times its circumstance."""
    return np.sum([weight * given[name] for name, weight in effects.items()], axis=0) + np.zeros(len(given["one"]))


def eligible(world: World, who: np.ndarray) -> np.ndarray:
    """(n, actions) what may be shown to whom: by what the operator could see when the day began, and by consent."""
    people, seen = world.people, world.morning
    days, price = _days_left(world, who), seen.price[who]
    postpaid = ~people.prepaid[who]
    firm = people.segment[who] == SEGMENTS.index("enterprise")
    failed, broken, open_loop = seen.downtime[who], seen.breaches[who], seen.complaints[who] > 0
    calm = (failed < 8) & (broken < 0.3) & ~open_loop
    always = np.ones(len(who), bool)
    rules = {
        "loyalty_discount": postpaid & (days < 90),
        "right_size_plan": price >= 25,
        "contract_renewal": postpaid & (days >= -30) & (days < 60),
        "faster_plan": calm & (seen.plan[who] < len(PLAN_PRICES) - 1),
        "device_offer": calm & postpaid,
        "roaming_pass": calm,
        "extra_line": calm & ~firm & (people.lines[who] < 4),
        "security_pack": calm,
        "bill_review": postpaid & ~firm & (seen.shocks[who] > 0.1),
        "line_check": failed > 5,
        "tech_visit": failed > 12,
        "goodwill_credit": broken > 0.3,
        "owner_call_back": open_loop,
        "outage_update": failed > 20,
    }
    allowed = np.stack([rules.get(action.id, always) for action in CATALOGUE], axis=1)
    asks = np.array([action.consent for action in CATALOGUE])
    return allowed & (people.marketing[who, None] | ~asks)
