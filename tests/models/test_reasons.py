import numpy as np
import pandas as pd
import pytest
from known_hazards import known
from small_models import GROUPS, small_model

from models.reasons import reasons
from models.scorer import Scorer

MODEL = small_model()
SCORER = Scorer(MODEL)


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


def asked(pain: float | None, plan: str | None, noise: float) -> tuple[np.ndarray, dict[str, str | None]]:
    told = {"pain": np.nan if pain is None else pain, "noise": noise}
    return np.array([told.get(name, np.nan) for name in MODEL.features], np.float32), {"plan": plan}


@pytest.mark.parametrize("label", MODEL.labels)
@pytest.mark.parametrize("pain", [-2.0, 0.0, 1.5, None])
@pytest.mark.parametrize("plan", ["basic", "flex", "unheard of", None])
@pytest.mark.parametrize("noise", [0.5, 0.25])
def test_a_scorer_gives_the_same_reasons_with_the_words_of_the_row(label, pain, plan, noise):
    numbers, words = asked(pain, plan, noise)
    curve, why = SCORER.explained(MODEL.encoder.one(numbers, words), label, numbers, words)
    assert list(why) == reasons(MODEL, row(pain, plan, noise), label)
    assert curve.tolist() == MODEL.predict(row(pain, plan, noise))[label][0].tolist()


def test_a_scorer_can_leave_out_all_but_the_strongest():
    numbers, words = asked(1.5, "flex", 0.25)
    x = MODEL.encoder.one(numbers, words)
    _, every = SCORER.explained(x, "leaves", numbers, words)
    assert len(every) == 2
    assert SCORER.explained(x, "leaves", numbers, words, most=1)[1] == every[:1]
    assert SCORER.explained(x, "leaves", numbers, words, least=abs(every[1].effect) + 1e-6)[1] == every[:1]
