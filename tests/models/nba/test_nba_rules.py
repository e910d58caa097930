"""Who may get what: each operator at its edge, each stage in turn, one person as many."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_rules import People, allowed, meets, refusals

from models.nba.catalogue import Action, Catalogue, Condition

EFFECT = {"stay": 0.0, "accept": 0.5}


def action(name: str, **more: object) -> dict[str, object]:
    words = {"agent": name, "customer": name}
    return {"id": name, "kind": "care", "words": words, "channels": ["app"], "prior_effect": EFFECT, **more}


def catalogue(*actions: dict[str, object]) -> Catalogue:
    return Catalogue.model_validate(
        {
            "currency": "EUR",
            "customer_value": {"monthly_value": "value", "months": 10, "margin_rate": 0.5},
            "typical_churn": 0.1,
            "consents": {"marketing": "consent"},
            "needs": {"device": "a device"},
            "do_nothing": {"agent": "help", "customer": ""},
            "actions": list(actions),
        }
    )


def people(*, channel: str = "app", certain: bool = True, **columns: list[object]) -> People:
    frame = pd.DataFrame({n: pd.Series(v, dtype="category" if n == "plan" else "float32") for n, v in columns.items()})
    return People.of(frame, np.full(len(frame), certain), channel)


@pytest.mark.parametrize(
    ("operator", "value", "passed"),
    [
        ("is", 2, [False, True, False, False]),
        ("is_not", 2, [True, False, True, True]),
        ("at_least", 2, [False, True, True, False]),
        ("below", 2, [True, False, False, False]),
        ("missing", None, [False, False, False, True]),
        ("present", None, [True, True, True, False]),
    ],
)
def test_numbers(operator: str, value: float | None, passed: list[bool]) -> None:
    values = people(x=[1.9, 2.0, 2.1, None]).columns["x"]
    assert meets(Condition(feature="x", operator=operator, value=value), values).tolist() == passed


def test_categories_and_flags() -> None:
    who = people(plan=["basic", "pro", None], consent=[1.0, 0.0, None])
    assert meets(Condition(feature="plan", operator="is", value="pro"), who.columns["plan"]).tolist() == [
        False,
        True,
        False,
    ]
    assert meets(Condition(feature="plan", operator="is_not", value="pro"), who.columns["plan"]).tolist() == [
        True,
        False,
        True,
    ]
    assert meets(Condition(feature="consent", operator="is", value=True), who.columns["consent"]).tolist() == [
        True,
        False,
        False,
    ]


def test_each_stage_refuses_and_says_why() -> None:
    choices = catalogue(
        action("by_mail", channels=["email"]),
        action("offer", consent="marketing"),
        action("pro_only", eligibility=[{"feature": "plan", "operator": "is", "value": "pro"}]),
        action("notice", kind="service_message"),
    )
    who = people(plan=["basic"], consent=[None], value=[20.0])
    assert [(r.action, r.stage, r.why) for r in refusals(choices, who, 0)] == [
        ("by_mail", "channel", "is made on email only"),
        ("offer", "consent", "needs the consent 'marketing'"),
        ("pro_only", "eligibility", "needs plan is pro"),
    ]
    assert allowed(choices, who).tolist() == [[False, False, False, True, True]]


def test_when_it_is_open_who_it_is_only_harmless_actions_are_left() -> None:
    choices = catalogue(action("care"), action("mission", kind="mission"), action("notice", kind="service_message"))
    assert allowed(choices, people(certain=False, value=[20.0])).tolist() == [[False, False, True, True]]


def test_doing_nothing_is_possible_on_a_channel_no_action_uses() -> None:
    assert allowed(catalogue(action("care")), people(channel="ivr", value=[20.0])).tolist() == [[False, True]]


VALUE = st.none() | st.floats(-5, 5, width=32)
CONDITION = st.one_of(
    st.builds(
        Condition,
        feature=st.just("x"),
        operator=st.sampled_from(["is", "is_not", "at_least", "below"]),
        value=st.floats(-5, 5),
    ),
    st.builds(Condition, feature=st.just("x"), operator=st.sampled_from(["missing", "present"])),
)


@given(st.lists(VALUE, min_size=1, max_size=20), st.lists(CONDITION, max_size=3), st.sampled_from(["app", "ivr"]))
def test_one_person_is_judged_as_among_many_and_refused_exactly_when_not_allowed(
    values: list[float | None], conditions: list[Condition], channel: str
) -> None:
    base = catalogue(action("care"))
    care = Action.model_validate({**base.actions[0].model_dump(), "eligibility": conditions})
    choices = base.model_copy(update={"actions": (care,)})
    together = people(channel=channel, x=list(values))
    may = allowed(choices, together)
    for i, value in enumerate(values):
        assert allowed(choices, people(channel=channel, x=[value])).tolist() == [may[i].tolist()]
        assert {r.action for r in refusals(choices, together, i)} == {
            a.id for a, ok in zip(choices.choices, may[i], strict=True) if not ok
        }
