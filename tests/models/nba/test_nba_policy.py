"""The compiled policy says what the rules and the value say, bit for bit, of one person and of many."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import slow_rules as rules
import slow_value as value
from hypothesis import given
from hypothesis import strategies as st

from models.nba.catalogue import Catalogue
from models.nba.policy import MISSING, OTHER, Known, Likely, Policy

CATEGORIES = {"plan": ["basic", "pro", "max"], "region": ["north", "south"], "odd_word": ["a", "b"]}
NUMBERS = ("x", "y", "flag", "monthly", "odd_number")
NEEDS = ("device", "roaming", "security")
KINDS = ("retention", "care", "upsell", "service_message", "mission")
CHANNELS = ("app", "call_center", "email", "ivr")
EDGES = [-1.0, 0.0, 1.0, 2.5]


def declared(*actions: dict[str, Any], **more: Any) -> Catalogue:
    return Catalogue.model_validate(
        {
            "currency": "EUR",
            "customer_value": {"monthly_value": "monthly", "months": 10, "margin_rate": 0.5},
            "typical_churn": 0.1,
            "consents": {"marketing": "flag", "profiling": "y"},
            "needs": {need: need for need in NEEDS},
            "do_nothing": {"agent": "help", "customer": ""},
            "actions": [action(**a) for a in actions],
            **more,
        }
    )


def action(**more: Any) -> dict[str, Any]:
    effect = {"stay": 1.0, "accept": 0.5}
    base = {"id": "a", "kind": "care", "words": {"agent": "a", "customer": ""}, "channels": ["app"]}
    return {**base, "prior_effect": effect, **more}


number = st.one_of(st.sampled_from(EDGES), st.floats(-5, 5))
amount = st.one_of(st.just(0.0), st.floats(0, 200))
probability = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
condition = st.one_of(
    st.fixed_dictionaries(
        {
            "feature": st.sampled_from(["x", "y"]),
            "operator": st.sampled_from(["is", "is_not", "at_least", "below"]),
            "value": number,
        }
    ),
    st.fixed_dictionaries(
        {"feature": st.just("flag"), "operator": st.sampled_from(["is", "is_not"]), "value": st.booleans()}
    ),
    *(
        st.fixed_dictionaries(
            {
                "feature": st.just(name),
                "operator": st.sampled_from(["is", "is_not"]),
                "value": st.sampled_from([*CATEGORIES[name], "never seen"]),
            }
        )
        for name in ("plan", "region")
    ),
    st.fixed_dictionaries(
        {
            "feature": st.sampled_from([*NUMBERS, *CATEGORIES]),
            "operator": st.sampled_from(["missing", "present"]),
        }
    ),
)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    ids = draw(st.lists(st.sampled_from("bacedf"), min_size=1, max_size=6, unique=True))
    return declared(
        *(
            {
                "id": name,
                "kind": draw(st.sampled_from(KINDS)),
                "channels": draw(st.lists(st.sampled_from(CHANNELS[:3]), min_size=1, max_size=3, unique=True)),
                "needs": draw(st.lists(st.sampled_from(NEEDS), max_size=3, unique=True)),
                "consent": draw(st.sampled_from([None, None, "marketing", "profiling"])),
                "profiling": draw(st.booleans()),
                **{part: draw(amount) for part in ("margin", "worth", "cost", "discount")},
                "prior_effect": {
                    "stay": draw(st.one_of(st.sampled_from([0.0, -0.0]), st.floats(-100, 100))),
                    "accept": draw(probability),
                },
                "eligibility": draw(st.lists(condition, max_size=4)),
            }
            for name in ids
        ),
        typical_churn=draw(st.floats(0.001, 0.9)),
    )


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    size = draw(st.integers(0, 6))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(st.none() | values, min_size=size, max_size=size))

    wide = st.one_of(st.sampled_from(EDGES), st.floats(-5, 5, width=32), st.sampled_from([np.inf, -np.inf]))
    columns: dict[str, pd.Series] = {name: pd.Series(column(wide), dtype="float32") for name in NUMBERS}
    for name, words in CATEGORIES.items():
        order = draw(st.permutations([*words, "unmentioned"]))
        columns[name] = pd.Series(pd.Categorical(column(st.sampled_from(order)), categories=order))
    return pd.DataFrame(columns)


@given(catalogues(), frames(), st.data())
def test_the_policy_says_what_rules_and_value_say(
    catalogue: Catalogue, frame: pd.DataFrame, data: st.DataObject
) -> None:
    def each(values: st.SearchStrategy[Any], dtype: type) -> np.ndarray:
        return np.array(data.draw(st.lists(values, min_size=len(frame), max_size=len(frame))), dtype=dtype)

    certain, objects = each(st.booleans(), bool), each(st.booleans(), bool)
    scored = data.draw(st.sets(st.sampled_from([*NEEDS, "another label"])))
    needs = {need: each(st.one_of(st.just(np.nan), probability), float) for need in sorted(scored)}
    churn = each(st.one_of(st.just(np.nan), probability), float)
    channel, limit = data.draw(st.sampled_from(CHANNELS)), data.draw(st.integers(0, 8))

    policy = Policy(catalogue)
    known, likely = policy.known(frame, certain, objects), policy.likely(needs, churn)
    judged = policy.judge(known, likely, channel)
    best = policy.best(judged, limit)
    people = rules.People.of(frame, certain, channel, objects)
    assert ((judged.refused == -1) == rules.allowed(catalogue, people)).all()
    for i in range(len(frame)):
        refused = [policy.refusals[check] for check in judged.refused[i].tolist() if check >= 0]
        assert refused == rules.refusals(catalogue, people, i)
        has = {need: p[[i]] for need, p in needs.items() if not np.isnan(p[i])}
        worth = value.customer_value(catalogue, people.columns["monthly"][[i]])
        with np.errstate(invalid="ignore"):  # no effect on an infinite worth
            terms = value.parts(catalogue, has, churn[[i]], worth)
            total = terms.total[0]
        for found, term in zip(judged.parts[i], vars(terms).values(), strict=True):
            assert found.tobytes() == term[0].tobytes()
        assert judged.total[i].tobytes() == total.tobytes()
        stay = np.nan_to_num(value.stay_effect(catalogue, churn[[i]])[0], nan=0.0)
        assert judged.less_risk[i].tobytes() == stay.tobytes()
        served = [max((has[n][0] for n in a.needs if n in has), default=np.nan) for a in catalogue.choices]
        np.testing.assert_array_equal(judged.likeliest[i], served)
        order = value.order(catalogue, total, judged.refused[i] == -1)[:limit]
        assert [a for a in best[i].tolist() if a >= 0] == order
        assert best[i].tolist() == order + [-1] * (best.shape[1] - len(order))


@pytest.mark.parametrize(
    ("operator", "wanted", "values", "passed"),
    [
        ("is", 2, [1.9, 2.0, 2.1, None], [False, True, False, False]),
        ("is_not", 2, [1.9, 2.0, 2.1, None], [True, False, True, True]),
        ("at_least", 2, [1.9, 2.0, 2.1, None], [False, True, True, False]),
        ("below", 2, [1.9, 2.0, 2.1, None], [True, False, False, False]),
        ("missing", None, [1.9, 2.0, 2.1, None], [False, False, False, True]),
        ("present", None, [1.9, 2.0, 2.1, None], [True, True, True, False]),
        ("is", True, [1.0, 0.0, None], [True, False, False]),
        ("is", "pro", ["basic", "pro", None], [False, True, False]),
        ("is_not", "pro", ["basic", "pro", None], [True, False, True]),
        ("missing", None, ["basic", "pro", None], [False, False, True]),
        ("present", None, ["basic", "pro", None], [True, True, False]),
        ("is", "pro", [None, None], [False, False]),
    ],
)
def test_each_operator_at_its_edge(
    operator: str, wanted: float | str | None, values: list[float | str | None], passed: list[bool]
) -> None:
    test = {"feature": "x", "operator": operator, **({} if wanted is None else {"value": wanted})}
    policy = Policy(declared({"eligibility": [test]}, consents={}))
    words = any(isinstance(v, str) for v in [wanted, *values])
    frame = pd.DataFrame({"x": pd.Series(values, dtype="category" if words else "float32"), "monthly": np.float32(20)})
    known = policy.known(frame, np.ones(len(frame), bool))
    judged = policy.judge(known, policy.likely({}, np.zeros(len(frame))), "app")
    assert (judged.refused[:, 0] == -1).tolist() == passed


OFFERS = declared(
    {
        "id": "b",
        "needs": ["device"],
        "margin": 40.0,
        "eligibility": [{"feature": "x", "operator": "below", "value": 1}],
    },
    {"id": "a", "needs": ["device", "roaming"], "margin": 40.0, "cost": 3.0, "consent": "marketing"},
    {"id": "pro", "worth": 2.0, "eligibility": [{"feature": "plan", "operator": "is", "value": "pro"}]},
    {"id": "mission", "kind": "mission", "channels": ["app", "email"], "worth": 9.0},
)


def many(policy: Policy, n: int) -> tuple[Known, Likely]:
    rng = np.random.default_rng(n)
    numbers = rng.integers(0, 3, (n, len(policy.reads))).astype(np.float64)
    numbers[rng.random(numbers.shape) < 0.2] = np.nan
    codes = rng.integers(-2, 1, numbers.shape).astype(np.int32)
    return Known(numbers, codes, rng.random(n) < 0.9, rng.random(n) < 0.1), Likely(
        rng.random((n, len(policy.needs))), rng.random(n)
    )


@pytest.mark.parametrize("n", [0, 1, 64, 65, 500])
def test_one_alone_many_together_and_blocks_in_threads_are_ranked_alike(n: int) -> None:
    policy = Policy(OFFERS)
    known, likely = many(policy, n)
    judged = policy.judge(known, likely, "app")
    best, worth = policy.rank(known, likely, "app", 3)
    assert best.tolist() == policy.best(judged, 3).tolist()
    for i in range(n):
        alone = policy.judge(known[i : i + 1], likely[i : i + 1], "app")
        assert alone.refused[0].tolist() == judged.refused[i].tolist()
        assert alone.values[0].tobytes() == judged.values[i].tobytes()
        assert worth[i][best[i] >= 0].tolist() == judged.total[i][best[i][best[i] >= 0]].tolist()
        assert np.isnan(worth[i][best[i] < 0]).all()
    with ThreadPoolExecutor(2) as pool:
        blocks = [slice(i, i + 70) for i in range(0, n, 70)]
        parts = list(pool.map(lambda b: policy.rank(known[b], likely[b], "app", 3)[0].tolist(), blocks))
    assert [row for part in parts for row in part] == best.tolist()


def test_what_a_condition_mentions_has_a_code_and_everything_else_is_another_word() -> None:
    policy = Policy(OFFERS)
    pro = policy.code_of("plan", "pro")
    assert policy.words == {"plan": ("pro",)}
    assert [policy.code_of("plan", word) for word in ("pro", "basic", None)] == [pro, OTHER, MISSING]
    assert policy.codes_of("plan", ["basic", "pro"]).tolist() == [OTHER, pro, MISSING]


def test_each_refusal_says_the_first_stage_that_refused() -> None:
    policy = Policy(OFFERS)
    frame = pd.DataFrame(
        {name: pd.Series([np.nan], dtype="float32") for name in NUMBERS} | {"plan": pd.Categorical(["max"])}
    )
    known = policy.known(frame, np.array([True]), np.array([False]))
    judged = policy.judge(known, policy.likely({}, np.array([np.nan])), "app")
    said = [policy.refusals[check] for check in judged.refused[0] if check >= 0]
    assert [(r.action, r.stage, r.why) for r in said] == [
        ("b", "eligibility", "needs x below 1.0"),
        ("a", "consent", "needs the consent 'marketing'"),
        ("pro", "eligibility", "needs plan is pro"),
    ]
    assert [policy.choices[i].id for i in policy.best(judged, 9)[0] if i >= 0] == ["mission", "do_nothing"]


def test_arrays_that_do_not_fit_are_refused_before_anything_is_read() -> None:
    policy = Policy(OFFERS)
    known, likely = many(policy, 3)
    with pytest.raises(ValueError, match="expected 2 people, 5 features and 3 needs"):
        policy.judge(known, likely[:2], "app")
    with pytest.raises(ValueError, match="shapes"):
        policy.rank(Known(known.numbers[:, 1:], known.codes, known.certain, known.objects), likely, "app", 1)
    with pytest.raises(TypeError):
        policy.judge(Known(known.numbers.astype(np.float32), known.codes, known.certain, known.objects), likely, "app")


def test_a_frame_without_a_column_or_with_numbers_as_categories_is_refused() -> None:
    policy = Policy(OFFERS)
    frame = pd.DataFrame({name: pd.Series([1.0], dtype="float32") for name in NUMBERS})
    with pytest.raises(ValueError, match="columns that are not there: plan"):
        policy.known(frame, np.array([True]))
    with pytest.raises(ValueError, match="categories of 'plan' are not words"):
        policy.known(frame.assign(plan=pd.Categorical([3])), np.array([True]))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"eligibility": [{"feature": "plan", "operator": "below", "value": "pro"}]}, "'plan below pro' compares text"),
        ({"needs": ["a yacht"]}, "there is no need 'a yacht'"),
    ],
)
def test_a_catalogue_that_means_nothing_is_not_compiled(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Policy(declared(wrong))
