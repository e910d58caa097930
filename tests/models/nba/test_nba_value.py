"""What an action is worth: by hand, and as laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_value import customer_value, order, parts, stay_effect

from models.nba.catalogue import Catalogue


def catalogue(*actions: dict[str, object]) -> Catalogue:
    base = {"kind": "care", "words": {"agent": "a", "customer": "c"}, "channels": ["app"]}
    effect = {"prior_effect": {"stay": 0.0, "accept": 0.5}}
    return Catalogue.model_validate(
        {
            "currency": "EUR",
            "customer_value": {"monthly_value": "value", "months": 10, "margin_rate": 0.5},
            "typical_churn": 0.1,
            "needs": {"device": "a device", "roaming": "roaming"},
            "do_nothing": {"agent": "help", "customer": ""},
            "actions": [{**base, **effect, **a} for a in actions],
        }
    )


OFFER = {
    "id": "offer", "needs": ["device", "roaming"], "margin": 40.0, "cost": 3.0, "discount": 8.0, "worth": 1.0,
    "prior_effect": {"stay": 2.0, "accept": 0.25},
}  # fmt: skip


def test_the_value_of_one_offer_by_hand() -> None:
    choices = catalogue(OFFER)
    worth = customer_value(choices, np.array([30.0]))
    assert worth.tolist() == [30 * 10 * 0.5]
    found = parts(choices, {"device": np.array([0.2]), "roaming": np.array([0.1])}, np.array([0.3]), worth)
    assert found.needs[0] == pytest.approx([(0.2 + 0.1) * 0.25 * 40, 0])
    assert found.stay[0] == pytest.approx([0.02 * 0.3 / 0.1 * 150, 0]), "2 points at 10 %, so 6 points at 30 %"
    assert found.discount[0] == pytest.approx([-0.25 * 8, 0]), "given to all who accept, not only to those saved"
    assert found.total[0] == pytest.approx([1 + 3 + 9 - 3 - 2, 0])


def test_without_churn_score_or_monthly_value_staying_counts_nothing() -> None:
    choices = catalogue(OFFER)
    for churn, worth in ((math.nan, 150.0), (0.3, math.nan)):
        found = parts(choices, {}, np.array([churn]), np.array([worth]))
        assert found.stay.tolist() == [[0, 0]]
        assert found.total[0] == pytest.approx([1 - 3 - 2, 0])


def test_the_best_comes_first_ties_go_by_id_and_what_is_worse_than_nothing_is_left_out() -> None:
    choices = catalogue(*({"id": name} for name in ("b", "c", "a", "worse", "best", "refused")))
    may = np.array([True, True, True, True, True, False, True])
    values = np.array([1.0, 1.0, 1.0, -0.01, 2.0, 9.0, 0.0])
    assert [choices.choices[i].id for i in order(choices, values, may)] == ["best", "a", "b", "c", "do_nothing"]


probability = st.floats(0, 1)


@given(probability, st.floats(-100, 100))
def test_no_effect_takes_a_probability_out_of_its_range(churn: float, stay: float) -> None:
    choices = catalogue({"id": "a", "prior_effect": {"stay": stay, "accept": 0.5}})
    left = churn - stay_effect(choices, np.array([churn]))[0, 0]
    assert 0 <= left <= 1


@given(st.lists(st.tuples(probability, probability, probability, st.floats(0, 200)), min_size=1, max_size=10))
def test_people_do_not_change_each_others_values_and_nothing_is_worth_nothing(
    rows: list[tuple[float, float, float, float]],
) -> None:
    choices = catalogue(OFFER, {"id": "other", "needs": ["device"], "margin": 7.0})
    device, roaming, churn, monthly = (np.array(column) for column in zip(*rows, strict=True))
    worth = customer_value(choices, monthly)
    together = parts(choices, {"device": device, "roaming": roaming}, churn, worth).total
    assert (together[:, -1] == 0).all()
    for i in range(len(rows)):
        one = slice(i, i + 1)
        alone = parts(choices, {"device": device[one], "roaming": roaming[one]}, churn[one], worth[one]).total
        assert alone[0].tolist() == together[i].tolist()


@given(probability, probability, st.floats(0, 200))
def test_a_stronger_need_never_makes_an_offer_worth_less(low: float, high: float, monthly: float) -> None:
    low, high = sorted((low, high))
    choices = catalogue(OFFER)
    worth = customer_value(choices, np.array([monthly]))
    values = [parts(choices, {"device": np.array([p])}, np.array([0.1]), worth).total[0, 0] for p in (low, high)]
    assert values[0] <= values[1]
