"""Plain (feature, operator, value) rules over a frame of features."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from features.declare import Rule


def holds(rules: Iterable[Rule], frame: pd.DataFrame) -> np.ndarray:
    """(p,) bool: the rows that meet every rule. A missing value meets only ``missing`` and ``is_not``."""
    kept = np.ones(len(frame), bool)
    for rule in rules:
        kept &= _meets(rule, frame[rule.feature])
    return kept


def meets(rule: Rule, value: "np.float32 | str | None") -> bool:
    """Whether one value (``None``: missing) meets a rule, as `holds` says of a column."""
    match rule.operator:
        case "missing":
            return value is None
        case "present":
            return value is not None
        case "is":
            return value is not None and bool(value == rule.value)
        case "is_not":
            return value is None or bool(value != rule.value)
        case "at_least":
            return value is not None and bool(value >= rule.value)  # type: ignore[operator]
        case "below":
            return value is not None and bool(value < rule.value)  # type: ignore[operator]


def _meets(rule: Rule, column: pd.Series) -> np.ndarray:
    missing = column.isna().to_numpy()
    match rule.operator:
        case "missing":
            return missing
        case "present":
            return ~missing
        case "is":
            return (column == rule.value).to_numpy() & ~missing
        case "is_not":
            return (column != rule.value).to_numpy() | missing
        case "at_least":
            return (column >= rule.value).to_numpy() & ~missing
        case "below":
            return (column < rule.value).to_numpy() & ~missing
