"""What a list is worth: by hand, as laws, and at the costs the operator declares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import dataset

from features import catalog as telecom
from features.dataset import Dataset
from features.facts import CHANNELS
from models.nba.catalogue import Catalogue
from models.nba.load import load
from training.evaluate import Scored
from training.worth import plots, profit
from training.worth.profit import Costs, curve, expected_maximum

OFFER = {
    "id": "discount", "kind": "retention", "words": {"agent": "a", "customer": "c"}, "channels": ["app"],
    "cost": 1.0, "discount": 20.0, "prior_effect": {"stay": 3.0, "accept": 0.5},
}  # fmt: skip


def catalogue(*actions: dict[str, object]) -> Catalogue:
    return Catalogue.model_validate(
        {
            "currency": "EUR",
            "customer_value": {"monthly_value": "monthly", "months": 10, "margin_rate": 0.5},
            "typical_churn": 0.1,
            "consents": {"marketing": "consent"},
            "needs": {},
            "do_nothing": {"agent": "help", "customer": ""},
            "actions": actions or [OFFER],
        }
    )


def listed(y: list[int] | np.ndarray, p: list[float] | np.ndarray, **columns: object) -> tuple[Scored, Dataset]:
    """Pairs with these outcomes and probabilities; each is worth 40 a month, so 200, unless said otherwise."""
    y, p = np.asarray(y), np.asarray(p, np.float64)
    data = dataset(len(y), start=0, days=30, seen=400)
    known = {"monthly": np.full(len(y), 40, np.float32), "consent": np.ones(len(y), np.float32), **columns}
    return Scored("leaves", "90d", y, p, np.ones(len(y), bool)), replace(data, X=data.X.assign(**known))


def noisy(n: int = 2_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 9, n)
    return (rng.random(n) < p).astype(int), p


rows = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]), st.floats(0, 500)),
    min_size=1,
    max_size=30,
)
unit = st.floats(0, 1)
costs = st.builds(
    Costs, action=st.just("a"), contact=st.floats(0, 20), offer=st.floats(0, 60), accept=unit, stays=unit, stayers=unit
)


def test_one_list_by_hand() -> None:
    found = profit.of(*listed([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1]), catalogue()).lists[0]
    # 3 points of 10 % is 30 % of leavers; of the 50 % who accept that is 60 %. A leaver: 0.5 (0.6 x 200 - 20) - 1 = 49.
    assert found.costs == Costs("discount", contact=1, offer=20, accept=0.5, stays=0.6, stayers=0.5)
    assert found.curve.profit.tolist() == pytest.approx([0, 49, 38, 87, 76, 65])
    assert (found.asked, found.share, found.threshold) == (3, 0.6, 0.7)
    assert (found.total, found.per_asked, found.per_customer) == pytest.approx((87, 29, 87 / 5))
    assert (found.everybody, found.random) == pytest.approx((65, 0.6 * 65))
    # Worth asking from p of 11/60 on: all but the last.
    assert (found.by_expected, found.by_expected_share) == pytest.approx((76, 0.8))
    assert found.cautious == pytest.approx(98 - 21), "the one stayer on the list costs 21 then"


@given(rows, costs)
def test_the_maximum_is_that_over_all_thresholds_and_never_below_asking_nobody(rows: list, costs: Costs) -> None:
    y, p, worth = (np.array(column) for column in zip(*rows, strict=True))
    earned = costs.profit(y, worth)
    brute = max([0.0, *(earned[p >= threshold].sum() for threshold in p)])
    found = curve(p, earned)
    assert found.profit.max() == pytest.approx(brute, abs=1e-9)
    assert found.profit.max() >= 0
    assert found.profit[found.best] == pytest.approx(earned[p >= found.threshold[found.best]].sum(), abs=1e-9)
    assert found.share[found.best] == pytest.approx(np.mean(p >= found.threshold[found.best]))


@given(rows, costs, unit)
def test_the_more_would_accept_the_more_it_is_worth(rows: list, costs: Costs, accept: float) -> None:
    y, p, worth = (np.array(column) for column in zip(*rows, strict=True))
    # As long as who stays is worth more than the offer.
    worth, costs = worth + costs.offer, replace(costs, stays=1.0)
    low, high = sorted((accept, costs.accept))
    maxima = [curve(p, replace(costs, accept=a).profit(y, worth)).profit.max() for a in (low, high)]
    assert maxima[1] >= maxima[0] - 1e-9


@given(rows, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows: list, random: object) -> None:
    y, p, worth = (np.array(column) for column in zip(*rows, strict=True))
    order = np.array(random.sample(range(len(p)), len(p)))  # type: ignore[attr-defined]
    earned = Costs("a", 1, 20, 0.3).profit(y, worth)
    assert curve(p, earned).profit == pytest.approx(curve(p[order], earned[order]).profit, abs=1e-9)


def test_with_one_value_and_all_stayers_accepting_it_is_verbekes_formula() -> None:
    y, p = noisy()
    worth, contact, offer, accept = 200.0, 1.0, 10.0, 0.3
    found = curve(p, Costs("a", contact, offer, accept).profit(y, np.full(len(y), worth)))
    base, delta, phi = y.mean(), offer / worth, contact / worth
    for place in (0, 100, 1_000, 2_000):
        listed = p >= found.threshold[place]
        leavers, stayers = listed[y == 1].mean(), listed[y == 0].mean()
        gain = worth * (accept * (1 - delta) - phi) * base * leavers
        lost = worth * (delta + phi) * (1 - base) * stayers
        assert found.profit[place] / len(y) == pytest.approx(gain - lost)


def test_the_expected_maximum_is_the_mean_over_what_accept_may_be() -> None:
    y, p = noisy()
    worth, one = np.full(len(y), 200.0), Costs("a", 1, 10, 0.3)
    draws = np.random.default_rng(1).beta(6, 14, 2_000)
    each = [curve(p, replace(one, accept=a).profit(y, worth)).profit.max() for a in draws]
    found = expected_maximum(p, y, worth, one)
    assert found == pytest.approx(np.mean(each), rel=0.03)
    assert found > curve(p, one.profit(y, worth)).profit.max(), "who may wait and see fares better on average"
    certain = replace(one, accept=1.0)
    assert expected_maximum(p, y, worth, certain) == curve(p, certain.profit(y, worth)).profit.max()


def test_only_those_who_may_get_it_are_on_the_list() -> None:
    rule = {"feature": "monthly", "operator": "at_least", "value": 30}
    offered = {**OFFER, "consent": "marketing", "eligibility": [rule]}
    monthly, consent = np.array([40, 40, 20, 40], np.float32), np.array([1, 0, 1, np.nan], np.float32)
    found = profit.of(*listed([1, 1, 1, 1], [0.9, 0.8, 0.7, 0.6], monthly=monthly, consent=consent), catalogue(offered))
    assert (found.lists[0].rows, found.lists[0].leavers, found.lists[0].total) == (1, 1, pytest.approx(49))


def test_pairs_whose_outcome_is_unknown_are_not_on_it() -> None:
    scored, data = listed([1, 0, 1], [0.9, 0.8, 0.7], monthly=np.array([40, 1, 60], np.float32))
    later = np.array([True, False, True])
    found = profit.of(replace(scored, y=scored.y[later], p=scored.p[later], known=later), data, catalogue())
    assert found.lists[0].total == pytest.approx(49 + 0.5 * (0.6 * 300 - 20) - 1)


def test_a_customer_of_unknown_value_counts_as_the_median_one() -> None:
    monthly = np.array([30, np.nan, 50], np.float32)
    found = profit.of(*listed([0, 1, 0], [0.1, 0.9, 0.1], monthly=monthly), catalogue())
    assert found.lists[0].total == pytest.approx(49)


def test_rows_of_the_same_customers_do_not_make_it_surer() -> None:
    y, p = noisy(1_000)
    scored, data = listed(y, p)
    once = profit.of(scored, data, catalogue()).lists[0]
    scored, data = listed(np.tile(y, 4), np.tile(p, 4))
    again = profit.of(scored, replace(data, entity=np.tile(np.arange(1_000), 4)), catalogue()).lists[0]
    assert again.total == pytest.approx(4 * once.total)
    assert (again.low, again.high) == pytest.approx((4 * once.low, 4 * once.high))
    assert once.low < once.total < once.high
    assert once.share_low <= once.share <= once.share_high


@pytest.mark.parametrize(
    ("actions", "columns", "words"),
    [
        (None, {}, "declares no actions"),
        (catalogue({**OFFER, "kind": "care"}), {}, "none of 1 actions is of the kind 'retention'"),
        (catalogue({**OFFER, "cost": 0.0, "discount": 0.0}), {}, "'discount': it declares neither"),
        (catalogue(), {"monthly": np.full(4, np.nan, np.float32)}, "'monthly', which is not held"),
        (
            catalogue({**OFFER, "eligibility": [{"feature": "region", "operator": "missing"}]}),
            {},
            "a column its rules read is not among those",
        ),
        (
            catalogue({**OFFER, "eligibility": [{"feature": "monthly", "operator": "below", "value": 1}]}),
            {},
            "none of 4 test pairs may get it",
        ),
        (
            catalogue({**OFFER, "eligibility": [{"feature": "monthly", "operator": "below", "value": 50}]}),
            {"monthly": np.array([60, 40, 40, 40], np.float32)},
            "none of the 3 test pairs that may get it left",
        ),
    ],
)
def test_what_cannot_be_priced_is_not_and_a_note_says_why(
    actions: Catalogue | None, columns: dict, words: str, tmp_path: Path
) -> None:
    found = profit.of(*listed([1, 0, 0, 0], [0.9, 0.5, 0.2, 0.1], **columns), actions)
    assert found.lists == ()
    assert words in found.notes[0]
    assert found.table().empty
    assert found.metrics() == {}
    assert plots.profit(found, tmp_path / "none.png") is None


def test_the_operators_own_catalogue_prices_every_retention_action() -> None:
    path = Path(telecom.__file__).parent / "actions.yaml"
    actions = load(path, {f.name: f.kind for f in telecom.CATALOG.features}, CHANNELS)
    declared = {a.id: Costs.of(a, actions) for a in actions.actions if a.kind == "retention"}
    assert declared["loyalty_discount"] == Costs("loyalty_discount", 0.5, 40, 0.3, pytest.approx(1.0), 0.3)
    assert declared["contract_renewal"].stays == pytest.approx(0.8 / 6 / 0.25)


def test_the_most_profitable_comes_first_and_the_picture_is_drawn(tmp_path: Path) -> None:
    y, p = noisy()
    dearer = {**OFFER, "id": "dearer", "discount": 40.0}
    found = profit.of(*listed(y, p), catalogue(dearer, OFFER))
    assert found.table()["action"].tolist() == ["discount", "dearer"]
    assert found.table()["cost_offer"].tolist() == [20, 40]
    assert found.metrics()["profit.discount.total"] == found.lists[0].total
    path = plots.profit(found, tmp_path / "profit.png")
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")
