"""One line of a catalogue for a feature over several windows."""

from collections.abc import Iterator

from features.declare import Aggregate, Feature

Where = dict[str, object]
"""Which rows are meant; ``|`` joins two."""


def over(
    source: str,
    aggregate: Aggregate,
    column: str | None,
    windows: str,
    *,
    group: str,
    meaning: str,
    where: Where | None = None,
    among: Where | None = None,
    of: str | None = None,
    via: str | None = None,
    measured: str = "",
) -> Iterator[Feature]:
    """One feature a window of ``windows``, such as ``"7d 30d 90d"``, each with the window in its meaning."""
    for window in windows.split():
        length = window.removesuffix("d")
        compared = f" against the {length} before" if aggregate == "rate_change" else ""
        yield Feature(
            source,
            aggregate,
            column,
            window,
            where=where or {},
            among=among or {},
            of=of,
            via=via,
            group=group,
            meaning=f"{meaning} in {length} days{compared}",
            measured=measured,
        )
