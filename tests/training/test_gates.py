"""The gate: it lets equals pass, and catches what it is there for; counted over many pairs of known quality."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from training.gates import Window, auc_difference, judge, quick_enough, same_answers

CUSTOMERS, CUTOFFS = 4_000, 3
PAIRS = 200
MUST = 0.8
REGIONS = np.array(["north", "south", "east", "west"])


def window(seed: int) -> Window:
    """Two models of the same quality: both see what makes customers leave through noise of their own."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(CUSTOMERS), CUTOFFS)
    habit = rng.normal(0, 1, CUSTOMERS)[groups]
    lately, region = rng.normal(0, 0.7, len(groups)), rng.integers(0, 4, CUSTOMERS)[groups]
    p = expit(-3.2 + habit + lately)
    y = (rng.random(len(p)) < p).astype(int)
    champion, challenger = (blurred(p, rng) for _ in range(2))
    X = pd.DataFrame({"habit": habit.astype(np.float32), "region": pd.Categorical(REGIONS[region])})
    return Window(y, challenger, groups, {"champion": champion}, {"region": REGIONS[region]}, X)


def blurred(p: np.ndarray, rng: np.random.Generator, by: float = 0.35) -> np.ndarray:
    """Probabilities of who sees the log-odds through noise, as honest as those can be."""
    z = logit(p)
    seen = z + rng.normal(0, by, len(z))
    kept = np.var(z) / (np.var(z) + by**2)
    return expit((z.mean() + kept * (seen - z.mean())) + (1 - kept) * 0.1)


def test_equals_are_seldom_refused() -> None:
    refused = [judge(window(seed)) for seed in range(PAIRS)]
    against = [verdict.words for verdict in refused if not verdict.passed]
    assert len(against) <= 0.05 * PAIRS, against


def leaky(w: Window, rng: np.random.Generator) -> Window:
    """A column written when they left, which the model found."""
    column = np.where(w.y == 1, rng.random(len(w.y)) < 0.97, rng.random(len(w.y)) < 0.01).astype(np.float32)
    p = np.clip(0.02 * w.p + 0.95 * column, 0.001, 0.98)
    assert w.X is not None
    return replace(w, p=p, X=w.X.assign(closed=column))


def worse(w: Window, rng: np.random.Generator) -> Window:
    return replace(w, p=blurred(w.p, rng, 1.0))


def too_high(w: Window, rng: np.random.Generator) -> Window:
    return replace(w, p=expit(logit(w.p) + 0.5))


def too_sure(w: Window, rng: np.random.Generator) -> Window:
    z = logit(w.p)
    return replace(w, p=expit(z.mean() - 1.0 + 1.8 * (z - z.mean())))


def lost_a_region(w: Window, rng: np.random.Generator) -> Window:
    """Where nobody looks any more, all are alike."""
    there = w.slices["region"] == "west"
    return replace(w, p=np.where(there, w.p[there].mean(), w.p))


def swapped(w: Window, rng: np.random.Generator) -> Window:
    """Read in another order, features say something about somebody."""
    return replace(w, p=rng.permutation(w.p))


@pytest.mark.parametrize("fault", [leaky, worse, too_high, too_sure, lost_a_region, swapped])
def test_a_planted_fault_is_caught(fault) -> None:  # type: ignore[no-untyped-def]
    caught = [not judge(fault(window(seed), np.random.default_rng(seed))).passed for seed in range(40)]
    assert np.mean(caught) >= MUST


def test_the_difference_of_areas_is_that_of_two_areas_and_its_error_is_its_spread() -> None:
    found = []
    for seed in range(60):
        w = window(seed)
        less, error = auc_difference(w.y, w.p, w.others["champion"], w.groups)
        assert less == pytest.approx(roc_auc_score(w.y, w.others["champion"]) - roc_auc_score(w.y, w.p))
        found.append((less, error))
    less, error = np.array(found).T
    assert np.std(less) == pytest.approx(error.mean(), rel=0.25)


def test_a_column_that_is_missing_or_constant_alarms_nobody() -> None:
    w = window(1)
    assert w.X is not None
    X = w.X.assign(none=np.float32(np.nan), same=np.float32(1), unsaid=pd.Categorical([None] * len(w.y), ["a"]))
    assert judge(replace(w, X=X)) == judge(w)


def test_the_verdict_says_what_speaks_against_it() -> None:
    w = too_high(window(1), np.random.default_rng(1))
    assert "refused: level: observed over expected 0." in judge(w).words
    assert judge(window(1)).words.startswith("passed ")


def test_one_class_or_equal_probabilities_never_pass() -> None:
    w = window(1)
    assert not judge(replace(w, y=np.zeros_like(w.y))).passed
    assert not judge(replace(w, p=np.full(len(w.y), w.y.mean()))).passed


def test_a_bundle_that_answers_differently_and_one_that_is_slow_are_refused() -> None:
    p = np.array([0.1, 0.2])
    assert same_answers(p, p.copy()).passed
    assert not same_answers(p, p[::-1]).passed
    assert quick_enough(1.0, 10_000).passed
    assert not quick_enough(20.0, 10_000).passed
