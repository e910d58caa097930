from dataclasses import replace

import pytest
from pairs import DAY, LEFT, task

from features.declare import Triggered
from training.split import SplitError, Windows, windows

END = 400 * DAY


def test_the_test_is_the_last_two_months_that_are_known_and_training_ends_where_it_begins():
    found = windows(task(), 0, END)
    matured = END - 90 * DAY
    october, november = 273 * DAY, 304 * DAY
    assert found == Windows(0, october, october, matured + 1)
    assert november < found.test_to, "both cutoffs are tested"


def test_a_triggered_task_is_tested_on_the_last_sixty_days_that_are_known():
    asked = replace(task(), cutoffs=Triggered(LEFT))
    found = windows(asked, 0, END)
    assert found.test_from == found.train_to == found.test_to - 60 * DAY


@pytest.mark.parametrize("option", ["train_to", "test_from"])
def test_a_test_that_would_begin_after_the_last_known_outcome_says_how_far_they_are_known(option: str):
    with pytest.raises(SplitError, match=r"outcomes are known only for cutoffs up to 1970-11-0\d"):
        windows(task(), 0, END, **{option: 350 * DAY})
    assert windows(task(), 0, END, **{option: 350 * DAY}, test_to=380 * DAY).test_from == 350 * DAY


def test_windows_that_are_turned_round_name_the_options():
    with pytest.raises(SplitError, match="--test-to must lie after --test-from"):
        windows(task(), 0, END, test_from=200 * DAY, test_to=200 * DAY)
    with pytest.raises(SplitError, match="--test-from lies before --train-to"):
        windows(task(), 0, END, test_from=100 * DAY, train_to=200 * DAY)
    with pytest.raises(SplitError, match="no room to train"):
        windows(task(), 308 * DAY, END)
