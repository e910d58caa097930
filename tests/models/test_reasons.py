import numpy as np
import pandas as pd
import pytest
from known_hazards import known
from small_models import GROUPS, small_model

from models.reasons import reasons

MODEL = small_model()


def row(pain: float | None, plan: str | None, noise: float = 0.5) -> pd.DataFrame:
    return known(1).X.assign(
        pain=np.float32(np.nan if pain is None else pain), plan=pd.Series([plan], dtype="category"), noise=noise
    )


def test_what_raises_the_risk_comes_first_with_its_effect_and_the_typical_value():
    found = reasons(MODEL, row(2.0, "basic"), "leaves")
    assert found[0].group == "faults"
    assert found[0].effect > 5
    assert found[0].features == (("pain", 2.0, 0.0),)


def test_the_effect_is_the_probability_less_what_it_would_be_if_typical():
    both, calm = row(1.5, "flex"), row(0.0, "flex")
    wanted = 100 * (MODEL.predict(both)["leaves"][0, -1] - MODEL.predict(calm)["leaves"][0, -1])
    found = {r.group: r for r in reasons(MODEL, both, "leaves")}
    assert found["faults"].effect == pytest.approx(wanted)
    assert found["contract"].effect > 0
    assert found["contract"].features[0] == ("plan", "flex", "basic")


def test_what_lowers_the_risk_is_below_zero_and_a_typical_row_has_no_reasons():
    assert reasons(MODEL, row(-2.0, "basic"), "leaves")[0].effect < 0
    assert reasons(MODEL, row(0.0, "basic"), "leaves") == []


def test_features_can_be_grouped_otherwise_and_a_missing_value_is_none():
    found = reasons(MODEL, row(None, "flex"), "leaves", dict.fromkeys(GROUPS, "all"))
    assert [r.group for r in found] == ["all"]
    assert set(found[0].features) == {("plan", "flex", "basic"), ("pain", None, 0.0)}


def test_one_row_at_a_time():
    with pytest.raises(ValueError, match="one row at a time, not 2"):
        reasons(MODEL, known(2).X, "leaves")
