"""Which cutoffs teach and which test."""

from dataclasses import dataclass

from features.conditions import DAY, duration
from features.dataset import calendar_cutoffs, instant
from features.declare import Calendar, Task

TEST_DAYS = 60
_MONTHS = 2


class SplitError(ValueError):
    """Windows that cannot be used; the message names the option."""


@dataclass(frozen=True)
class Windows:
    """Cutoffs in ``[train_from, train_to)`` teach, in ``[test_from, test_to)`` test. UTC microseconds."""

    train_from: int
    train_to: int
    test_from: int
    test_to: int


def windows(
    task: Task,
    start: int,
    end: int,
    *,
    train_from: int | None = None,
    train_to: int | None = None,
    test_from: int | None = None,
    test_to: int | None = None,
) -> Windows:
    """The given windows, the missing ones filled in from what a lake that covers ``[start, end)`` can tell.

    By default the test is the last `TEST_DAYS` days of cutoffs whose last period has matured by ``end`` (of a task with
    monthly cutoffs, the last two), and training ends at the first of them. Raises `SplitError` where the windows are
    empty or overlap.
    """
    mature = end - duration(task.periods[-1]) - duration(task.gap) - duration(task.label_delay)
    begin = test_from if test_from is not None else train_to
    if test_to is None and begin is not None and begin > mature:
        raise SplitError(
            f"task '{task.name}': no test after {instant(begin)}: outcomes are known only for cutoffs up to "
            f"{instant(mature)} (follow-up takes {task.periods[-1]}); begin earlier, or give --test-to to test on the "
            "nearer horizons alone"
        )
    test_to = mature + 1 if test_to is None else test_to
    if test_from is None:
        test_from = train_to if train_to is not None else _first_tested(task, start, test_to)
    train_to = test_from if train_to is None else train_to
    train_from = start if train_from is None else train_from
    if test_from < train_to:
        raise SplitError("--test-from lies before --train-to: a model is tested on what came after it was trained")
    if train_from >= train_to:
        raise SplitError(
            f"task '{task.name}': no room to train before --train-to; the lake must begin earlier, or T be later "
            f"(follow-up takes {task.periods[-1]}, the test {TEST_DAYS} days)"
        )
    if test_from >= test_to:
        raise SplitError("--test-to must lie after --test-from")
    return Windows(train_from, train_to, test_from, test_to)


def _first_tested(task: Task, start: int, test_to: int) -> int:
    if not isinstance(task.cutoffs, Calendar):
        return test_to - TEST_DAYS * DAY
    cutoffs = calendar_cutoffs(task.cutoffs.every, start, test_to)
    recent = cutoffs[-_MONTHS:] if task.cutoffs.every == "month" else cutoffs[cutoffs >= test_to - TEST_DAYS * DAY]
    return int(recent[0]) if len(recent) else test_to - TEST_DAYS * DAY
