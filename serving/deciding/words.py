"""How a feature's value is said to an agent."""

from features.declare import Feature

Value = float | str | None
_YEAR = 365.25


class Sayer:
    """How the values of one feature are said; what does not change from value to value is worked out once."""

    def __init__(self, feature: Feature) -> None:
        self.meaning = feature.meaning or feature.name
        self._unit = "" if feature.kind == "category" else feature.unit
        self._missing = "never" if feature.aggregate == "since_last" else "none known"
        self._flag = feature.is_flag
        self._usually: dict[Value, str] = {}

    def said(self, value: Value) -> str:
        """``"4"``, ``"in 102 days"``, ``"4.8 years ago"``, ``"never"``, ``"30.40"``: a value by its feature's unit."""
        if value is None:
            return self._missing
        if isinstance(value, str):
            return value.replace("_", " ")
        if self._unit == "days":
            return _span(value)
        if self._unit == "days from the cutoff":
            return f"in {_span(value)}" if value >= 0 else f"{_span(-value)} ago"
        if self._unit == "count":
            return f"{value:,.0f}"
        if self._unit == "share":
            return f"{value:.0%}"
        if self._flag:
            return "yes" if value else "no"
        return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.2f}"

    def fact(self, value: Value, typical: Value) -> str:
        """``"minutes of outage at home in 30 days: 448, usually 0"``; what is typical is one value in every model."""
        usually = self._usually.get(typical)
        if usually is None:
            usually = self._usually[typical] = self.said(typical)
        return f"{self.meaning}: {self.said(value)}, usually {usually}"


def _span(days: float) -> str:
    if days >= _YEAR:
        return f"{days / _YEAR:.1f} years"
    return f"{days:,.0f} day{'' if round(days) == 1 else 's'}"
