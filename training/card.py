"""A model card in Markdown, kept as the description of a registered version and as the note on its run.

Its headings follow Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from features.conditions import duration
from features.dataset import Dataset
from features.declare import Calendar, Rule
from models.bundle import Model
from training.fit import instant
from training.review import Review
from training.run import TrainRecord
from training.visitors import VisitorRecord

_COLUMNS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "calibration_error": "calibration error",
    "observed_expected": "observed / expected",
    "calibration_slope": "slope",
}
_MOST_WORSE = 10
_HOUR = 3.6e9


def card(record: TrainRecord, review: Review | None = None) -> str:
    """What the model is for, who is in it, from what it was made, how well it does beside others, and its limits."""
    verdict = [f"**Verdict**: {review.verdict.words}", ""] if review else []
    return "\n".join([*verdict, *_about(record.model, record.train, record.test, record.headline, review)])


def visitors_card(visitors: VisitorRecord) -> str:
    """The card of a model of those without a name."""
    about = _about(visitors.model, visitors.train.given, visitors.test.given, visitors.headline, None)
    return "\n".join([visitors.card(), *about])


def _about(
    model: Model, train: Dataset, test: Dataset, figures: Mapping[str, object], review: Review | None
) -> list[str]:
    return [
        *_purpose(model, train),
        *_who(train, test),
        *_data(model, train, test, review),
        *_figures(figures, review),
        *_further(review),
        *_limits(train),
    ]


def _purpose(model: Model, train: Dataset) -> list[str]:
    m = model.manifest
    labels = ", ".join(f"`{label}`" for label in model.labels)
    horizons = ", ".join(train.task.periods) + (", then to the end" if m.open_ended else "")
    return [
        "### Purpose",
        "",
        f"- **{m.task}**: probability for one {m.entity} of {labels}, by {horizons}.",
        f"- Method: discrete-time hazard (LightGBM) over {len(m.edges) + m.open_ended} periods, recalibrated.",
        "- For deciding whom to help and what to offer; not for deciding whom to refuse.",
        "",
    ]


def _who(train: Dataset, test: Dataset) -> list[str]:
    task = train.task
    asked = f"every {task.cutoffs.every}" if isinstance(task.cutoffs, Calendar) else "just after an event"
    rules = " and ".join(_words(rule) for rule in task.eligible) or "everyone"
    left_out = train.objected + test.objected
    return [
        "### Who is in and who is out",
        "",
        f"- Asked {asked} about every {task.entity}; in: {rules}.",
        f"- Left out: {left_out:,} cutoffs of every {task.entity} who objects to profiling.",
        "- Who has no name is asked of another model, registered beside this one, where the workspace declares it.",
        "",
    ]


def _words(rule: Rule) -> str:
    value = "" if rule.value is None else f" {rule.value}"
    return f"`{rule.feature}` {rule.operator.replace('_', ' ')}{value}"


def _data(model: Model, train: Dataset, test: Dataset, review: Review | None) -> list[str]:
    m = model.manifest
    found = [
        "### Data",
        "",
        f"- Trained on {m.rows:,} cutoffs, {_window(train)}; labels known by {instant(m.labels_known_by)}.",
        f"- Tested on {len(test.X):,} later cutoffs, {_window(test)}; labels known by {instant(test.seen)}.",
        f"- Reads {len(m.features)} features; lake fingerprint `{m.fingerprint}`.",
        f"- A label matures {duration(train.task.label_delay) / _HOUR:g} hours after its period.",
    ]
    if review is not None:
        delays = ", ".join(f"{name} + {' or '.join(each)}" for name, each in sorted(review.assumed.items()))
        known = f"assumed, not read, for {delays}" if delays else "read from the feeds, assumed for none"
        found.append(f"- When a fact could be known: {known}.")
        if review.drift is not None:
            found.append(f"- Drift since the champion was trained: {review.drift.words}.")
    return [*found, ""]


def _window(data: Dataset) -> str:
    return f"{instant(data.cutoff.min())} to {instant(data.cutoff.max())}"


def _figures(figures: Mapping[str, object], review: Review | None) -> list[str]:
    horizon = figures.get("horizon", "no horizon")
    notes = figures.get("notes")
    found = [f"### Figures at {horizon}", ""]
    if review is not None and "horizon" in figures:
        found += [*_table(review, str(horizon)), ""]
        worse = review.worse
        found += [f"- Worse than the champion beyond chance: {words}." for words in worse[:_MOST_WORSE]]
        if len(worse) > _MOST_WORSE:
            found.append(f"- ... and {len(worse) - _MOST_WORSE} more: `slices.csv`.")
        if not worse and "champion" in review.versions:
            found.append("- No slice got worse than the champion beyond chance.")
    else:
        shown = [f"{words} {v:.3f}" for n, words in _COLUMNS.items() if isinstance(v := figures.get(n), float)]
        found.append(f"- At {horizon}: {', '.join(shown) or 'nothing could be measured'}.")
    found += [f"- Note: {note}." for note in (notes if isinstance(notes, list) else [])]
    return [*found, ""]


def _table(review: Review, horizon: str) -> Sequence[str]:
    """Means over the labels, a row for every model and way of asking."""
    rows = review.beside[(review.beside.horizon == horizon) & (review.beside.rows > 0)]
    lines = [
        f"| model | asked | rows | {' | '.join(_COLUMNS.values())} |",
        f"|---|---|---:|{'---:|' * len(_COLUMNS)}",
    ]
    for (model, sampler), each in rows.groupby(["model", "sampler"], sort=False):
        version = f" (version {review.versions[str(model)]})" if model in review.versions else ""
        values = " | ".join(_number(each[name].mean()) for name in _COLUMNS)
        lines.append(f"| {model}{version} | {sampler} | {int(each.rows.max()):,} | {values} |")
    return lines


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4f}"


def _further(review: Review | None) -> list[str]:
    notes = [note for part in review.parts for note in part.notes] if review else []
    return ["### Worth, reasons and reach", "", *(f"- {note}." for note in notes), ""] if notes else []


def _limits(train: Dataset) -> list[str]:
    task = train.task
    return [
        "### Limits",
        "",
        "- It is the risk under the contacts and offers of its time; it shows what goes together, not causes.",
        f"- An AUC above {task.ceiling:g} is taken for a leak, overall and on what came within {task.lead}.",
    ]
