"""Many cutoffs of one entity, asked for together, say what each says alone."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import World
from worlds import FEATURES, MINUTE, history, worlds

cutoffs = st.lists(st.integers(0, 70), min_size=3, max_size=20, unique=True).map(
    lambda minutes: np.array(sorted(minutes), np.int64) * MINUTE
)


@settings(max_examples=60)
@given(world=worlds(), cuts=cutoffs, some=st.sets(st.sampled_from(range(len(FEATURES))), min_size=1, max_size=3))
def test_cutoffs_asked_for_together_say_what_each_says_alone(world: World, cuts: np.ndarray, some: set[int]) -> None:
    known, features = history(world), [FEATURES[i] for i in sorted(some)]
    together = known.frame("customer", np.repeat([1, 2], len(cuts)), np.tile(cuts, 2), features)
    alone = [known.frame("customer", np.array([e]), np.array([c]), features) for e in (1, 2) for c in cuts]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True), check_exact=True)


@settings(max_examples=60)
@given(
    world=worlds(),
    asked=st.lists(st.tuples(st.integers(0, 70), st.integers(-20, 20)), min_size=2, max_size=20),
    rising=st.booleans(),
)
def test_cutoffs_and_cuts_in_any_order_say_what_each_says_alone(
    world: World, asked: list[tuple[int, int]], rising: bool
) -> None:
    asked = sorted(asked, key=lambda pair: pair[0]) if rising else asked
    known, (cuts, apart) = history(world), np.array(asked, np.int64).T * MINUTE
    together = known.frame("customer", np.full(len(cuts), 1), cuts, FEATURES, cuts + apart)
    pairs = zip(cuts[:, None], apart[:, None], strict=True)
    alone = [known.frame("customer", np.array([1]), cut, FEATURES, cut + a) for cut, a in pairs]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True), check_exact=True)


@settings(max_examples=30)
@given(world=worlds(), cuts=cutoffs)
def test_cutoffs_asked_for_together_equal_the_oracle(world: World, cuts: np.ndarray) -> None:
    known = history(world)
    for feature in FEATURES:
        found = known.frame("customer", np.full(len(cuts), 1), cuts, [feature])[feature.name]
        for value, c in zip(found.astype(object), cuts, strict=True):
            expected = world.value(feature, 1, int(c))
            if isinstance(expected, float | int):
                expected = np.float32(expected)
            assert value == expected or (pd.isna(value) and (expected is None or expected != expected)), feature.name
