import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from known_hazards import known
from small_models import small_model

from models.reasons import effects, group_names, reasons
from models.rollup import Members, captured, moved, roll_up

NAN = float("nan")
MODEL = small_model()


def members(parent: list[int], p: list[float], worth: list[float] | None = None) -> Members:
    worth = [1.0] * len(p) if worth is None else worth
    return Members(np.array(parent, np.int64), np.array(p)[:, None], np.array(worth))


@st.composite
def anybody(draw: st.DrawFn) -> Members:
    """Up to twenty members of few parents, some without a score or a worth, over two rising horizons."""
    n = draw(st.integers(0, 20))
    first = draw(arrays.arrays(float, n, elements=st.floats(0, 1)))
    p = np.stack([first, first + (1 - first) * draw(st.floats(0, 1))], axis=1)
    p[draw(arrays.arrays(bool, n))] = np.nan
    worth = draw(arrays.arrays(float, n, elements=st.one_of(st.just(NAN), st.floats(0, 1e4))))
    return Members(draw(arrays.arrays(np.int64, n, elements=st.integers(-3, 3))), p, worth)


def test_the_figures_of_one_account_are_sums_over_its_members() -> None:
    found = roll_up(members([7, 9, 7, 7], [0.5, 0.1, 0.2, NAN], [10.0, 3.0, NAN, 99.0]))
    assert found.parent.tolist() == [7, 9]
    assert found.members.tolist() == [3, 1]
    assert found.scored.tolist() == [2, 1]
    assert found.unpriced.tolist() == [1, 0]
    assert found.leavers[:, 0] == pytest.approx([0.7, 0.1])
    assert found.worth == pytest.approx([10, 3])
    assert found.at_risk[:, 0] == pytest.approx([5, 0.3])
    assert (found.any_together[0, 0], found.any_apart[0, 0]) == pytest.approx((0.5, 1 - 0.5 * 0.8))
    assert (found.all_apart[0, 0], found.all_together[0, 0]) == pytest.approx((0.5 * 0.2, 0.2))


def test_nobody_scored_is_unknown_and_not_safe() -> None:
    found = roll_up(members([1, 2], [NAN, 0.4], [5.0, NAN]))
    assert np.isnan(found.leavers[0, 0])
    assert np.isnan([found.any_apart[0, 0], found.all_together[0, 0], found.worth[0], found.at_risk[0, 0]]).all()
    assert found.leavers[1, 0] == pytest.approx(0.4)
    assert np.isnan(found.at_risk[1, 0])


def test_the_ranking_is_by_revenue_at_risk_then_leavers_and_leaves_out_the_small() -> None:
    found = roll_up(members([1, 2, 3, 4, 5, 5], [0.1, 0.9, 0.5, NAN, 0.01, 0.01], [100, 5, NAN, 5, 1, 1]))
    assert found.parent[found.ranked(0)].tolist() == [1, 2, 5, 3]
    assert found.parent[found.ranked(0, least=2)].tolist() == [5]


@given(anybody())
def test_nobody_is_lost_or_counted_twice(found: Members) -> None:
    up = roll_up(found)
    scored = ~np.isnan(found.p).any(axis=1)
    assert up.members.sum() == len(found.parent)
    assert up.scored.sum() == scored.sum()
    assert np.nansum(up.leavers, axis=0) == pytest.approx(found.p[scored].sum(axis=0))
    assert np.nansum(up.at_risk, axis=0) == pytest.approx(
        np.nansum(found.p[scored] * found.worth[scored, None], axis=0)
    )
    assert (np.nan_to_num(up.at_risk) <= np.nan_to_num(up.worth)[:, None] * (1 + 1e-12)).all()


@given(anybody())
def test_together_and_apart_are_two_ends_of_a_probability_that_rises_with_the_horizon(found: Members) -> None:
    up, slack = roll_up(found), 1e-12
    known = up.scored > 0
    for low, high in ((up.any_together, up.any_apart), (up.all_apart, up.all_together)):
        low, high = low[known], high[known]
        assert ((low >= 0) & (low <= high + slack) & (high <= 1 + slack)).all()
        assert (np.diff(low, axis=1) >= -slack).all()
        assert (np.diff(high, axis=1) >= -slack).all()
    assert (up.any_apart[known] <= up.leavers[known] + slack).all()
    alone = known & (up.scored == 1)
    for ends in (up.any_together, up.any_apart, up.all_apart, up.all_together):
        assert ends[alone] == pytest.approx(up.leavers[alone])


@given(anybody(), st.randoms(use_true_random=False))
def test_the_order_of_the_members_does_not_matter(found: Members, shuffled: object) -> None:
    order = np.arange(len(found.parent))
    shuffled.shuffle(order)
    mixed = roll_up(Members(found.parent[order], found.p[order], found.worth[order]))
    for name, values in vars(roll_up(found)).items():
        np.testing.assert_allclose(getattr(mixed, name), values, rtol=1e-12, err_msg=name)


def test_what_moved_an_account_is_what_moved_its_members_times_their_worth() -> None:
    effects_ = np.array([[0.2, 0.0], [0.1, -0.1], [0.5, 0.5]])
    found = moved(np.array([3, 8]), np.array([8, 3, 8]), effects_, np.array([10.0, 2.0, NAN]))
    assert found == pytest.approx(np.array([[0.2, -0.2], [2.0, 0.0]]))


def test_how_much_the_first_tenth_holds() -> None:
    assert captured(np.array([1.0] * 9 + [9.0]), 0.1) == pytest.approx(0.5)
    assert captured(np.array([NAN, 2.0, 2.0]), 0.5) == pytest.approx(1.0)
    assert np.isnan(captured(np.zeros(3), 0.1))


def test_effects_of_many_rows_are_the_reasons_of_each() -> None:
    X = known(20, seed=3).X.assign(noise=np.float32(0.5))
    found = effects(MODEL, X, "leaves")
    for i in range(len(X)):
        row = X.iloc[[i]].reset_index(drop=True)
        single = {r.group: r.effect / 100 for r in reasons(MODEL, row, "leaves")}
        assert dict(zip(group_names(MODEL), found[i], strict=True)) == pytest.approx(
            {group: single.get(group, 0.0) for group in group_names(MODEL)}
        )
    assert effects(MODEL, X.iloc[:0], "leaves").shape == (0, len(group_names(MODEL)))
