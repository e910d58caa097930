"""A value in a sentence an agent can read: every term that counts, and no other."""

from features.facts import CHANNELS
from features.workspace import load_workspace
from models.nba.load import load
from serving.deciding.answer import why
from serving.deciding.decide import PARTS, Offer

WORKSPACE = load_workspace()
ACTIONS = load(WORKSPACE.folder / "actions.yaml", {f.name: f.kind for f in WORKSPACE.catalog.features}, CHANNELS)


def offer(action: str, need: float | None, stays: float, **parts: float) -> Offer:
    terms = tuple(parts.get(name, 0.0) for name in PARTS)
    chosen = next(a for a in ACTIONS.choices if a.id == action)
    return Offer(chosen, sum(terms), terms, need, stays, slot=1, propensity=1.0)


def test_each_term_is_said_with_its_reason() -> None:
    sentence = why(offer("device_offer", 0.34, 0.0, needs=8.0, cost=-1.0), ACTIONS)
    assert sentence == "worth 7.00 EUR: need of a new device (34%) +8.00, cost -1.00"


def test_staying_is_said_in_points_and_the_discount_for_what_it_is() -> None:
    sentence = why(offer("goodwill_credit", None, 0.012, stay=9.0, discount=-7.6), ACTIONS)
    assert sentence == (
        "worth 1.40 EUR: 1.2 points less risk of leaving +9.00, discount, also to those who would stay anyway -7.60"
    )


def test_doing_nothing_says_why_it_is_best() -> None:
    assert why(offer("do_nothing", None, 0.0), ACTIONS) == "nothing else that is allowed is worth more"
