"""Declarations in words."""

from features.conditions import Condition
from features.declare import Feature


def conditions(said: tuple[Condition, ...]) -> str:
    """``"phase is ask or use, value at least 3 and below 9"``; "" where nothing is asked of a row."""
    return ", ".join(_condition(condition) for condition in said)


def _condition(said: Condition) -> str:
    if said.values is not None:
        return f"{said.column} is {' or '.join(said.values)}"
    low = [f"at least {said.low:.12g}"] if said.low is not None else []
    high = [f"below {said.high:.12g}"] if said.high is not None else []
    return f"{said.column} {' and '.join(low + high)}"


def reach(feature: Feature) -> str:
    """``"own"``, ``"of account"`` or ``"via site"``."""
    if feature.of:
        return f"of {feature.of}"
    return f"via {feature.via}" if feature.via else "own"


def kind(feature: Feature) -> str:
    """``"category"``, ``"flag"`` (0 or 1) or ``"number"``."""
    return "flag" if feature.is_flag else feature.kind
