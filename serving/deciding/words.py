"""How a feature's value is said to an agent."""

from features.declare import Feature

Value = float | str | None
_YEAR = 365.25


def said(feature: Feature, value: Value) -> str:
    """``"4"``, ``"in 102 days"``, ``"4.8 years ago"``, ``"never"``, ``"30.40"``: a value by its feature's unit."""
    if value is None:
        return "never" if feature.aggregate == "since_last" else "none known"
    if isinstance(value, str):
        return value.replace("_", " ")
    if feature.unit == "days":
        return _span(value)
    if feature.unit == "days from the cutoff":
        return f"in {_span(value)}" if value >= 0 else f"{_span(-value)} ago"
    if feature.unit == "count":
        return f"{value:,.0f}"
    if feature.unit == "share":
        return f"{value:.0%}"
    if feature.is_flag:
        return "yes" if value else "no"
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.2f}"


def fact(feature: Feature, value: Value, typical: Value) -> str:
    """``"minutes of outage at home in 30 days: 448, usually 0"``."""
    return f"{feature.meaning or feature.name}: {said(feature, value)}, usually {said(feature, typical)}"


def _span(days: float) -> str:
    if days >= _YEAR:
        return f"{days / _YEAR:.1f} years"
    return f"{days:,.0f} day{'' if round(days) == 1 else 's'}"
