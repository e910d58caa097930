from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.encode import Encoder, FeatureError


def frame(plans: list[str | None], numbers: list[float] | None = None) -> pd.DataFrame:
    values = np.array(numbers or range(len(plans)), dtype=np.float32)
    return pd.DataFrame({"plan": pd.Series(plans, dtype="category"), "number": values})


FITTED = Encoder.fit(frame(["b"] * 7 + ["a"] * 5 + ["c"] * 5 + ["rare"]))


def test_the_vocabulary_is_frozen_by_frequency_then_name_and_rare_values_are_other():
    assert FITTED.vocabularies == {"plan": ("b", "a", "c")}
    codes = FITTED.transform(frame(["b", "a", "c", "rare", "never seen", None]))[:, 0]
    assert codes[:5].tolist() == [0, 1, 2, 3, 3]
    assert np.isnan(codes[5])


def test_at_most_so_many_values_are_kept():
    assert Encoder.fit(frame(["b"] * 7 + ["a"] * 6 + ["c"] * 5), most=2).vocabularies == {"plan": ("b", "a")}


def test_columns_are_found_by_name_in_any_order():
    rows = frame(["a", "b"])
    assert np.array_equal(FITTED.transform(rows), FITTED.transform(rows[["number", "plan"]]))


def test_the_codes_do_not_depend_on_the_categories_a_frame_happens_to_declare():
    rows = frame(["a", "b"])
    wider = rows.assign(plan=rows.plan.cat.set_categories(["z", "b", "a"]))
    assert np.array_equal(FITTED.transform(rows), FITTED.transform(wider))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X.drop(columns="plan"), "feature missing: plan"),
        (lambda X: X.assign(extra=1.0), "not read by this model: extra"),
        (lambda X: X.assign(number=["one", "two"]), "'number' must hold numbers"),
        (lambda X: pd.concat([X, X[["plan"]]], axis=1), "there twice: plan"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_by_column(change, words: str):
    with pytest.raises(FeatureError, match=words):
        FITTED.transform(change(frame(["a", "b"])))


def test_what_is_missing_is_read_as_its_fill():
    filled = replace(FITTED, fills={"plan": "a", "number": 2.5})
    rows = frame(["b", None], [1.0, np.nan])
    assert filled.transform(rows).tolist() == [[0, 1.0], [1, 2.5]]


@pytest.mark.parametrize("fills", [{}, {"plan": "a", "number": 2.5}, {"plan": "never kept"}])
@pytest.mark.parametrize("word", ["a", "b", "rare", "never seen", None])
@pytest.mark.parametrize("number", [0.1, np.nan])
def test_one_row_alone_is_encoded_as_in_a_frame(fills: dict, word: str | None, number: float):
    encoder = replace(FITTED, fills=fills)
    alone = encoder.one(np.array([np.nan, number], np.float32), {"plan": word})
    assert alone.dtype == np.float32
    assert np.array_equal(alone, encoder.transform(frame([word], [number]))[0], equal_nan=True)


def test_one_row_that_does_not_fit_is_refused():
    with pytest.raises(FeatureError, match="feature missing: plan"):
        FITTED.one(np.zeros(2, np.float32), {})
    with pytest.raises(FeatureError, match="2 features, not an array of shape"):
        FITTED.one(np.zeros(1, np.float32), {"plan": "a"})
