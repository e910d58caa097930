"""A short model card in Markdown, kept as the description of a registered version."""

from features.conditions import duration
from features.dataset import Dataset
from models.bundle import Model
from training.fit import instant


def card(model: Model, train: Dataset, test: Dataset, figures: dict[str, object]) -> str:
    """What the model predicts, from what, how well, and what to be careful with."""
    m = model.manifest
    labels = ", ".join(f"`{label}`" for label in model.labels)
    return "\n".join(
        [
            f"**{m.task}**: probability for one {m.entity} of {labels}.",
            "",
            f"- Method: discrete-time hazard (LightGBM) over {len(m.edges) + m.open_ended} periods, recalibrated.",
            f"- Trained on {m.rows:,} cutoffs, {_window(train)}; labels known by {instant(m.labels_known_by)}.",
            f"- Tested on {len(test.X):,} later cutoffs, {_window(test)}; labels known by {instant(test.seen)}.",
            *_objected(train, test, m.entity),
            f"- Reads {len(m.features)} features; lake fingerprint `{m.fingerprint}`.",
            f"- At {figures.get('horizon', 'no horizon')}: {_figures(figures)}.",
            *(f"- Note: {note}." for note in _notes(figures)),
            f"- A label matures {duration(train.task.label_delay) / 3.6e9:g} hours after its period.",
            "- It is the risk under the contacts and offers of its time; it shows what goes together, not causes.",
        ]
    )


def _objected(train: Dataset, test: Dataset, entity: str) -> list[str]:
    left_out = train.objected + test.objected
    return [f"- Left out: {left_out:,} cutoffs of every {entity} who objects to profiling."] if left_out else []


def _window(data: Dataset) -> str:
    return f"{instant(data.cutoff.min())} to {instant(data.cutoff.max())}"


def _figures(figures: dict[str, object]) -> str:
    names = ("auc", "average_precision", "brier", "calibration_error", "observed_expected")
    shown = [f"{n.replace('_', ' ')} {v:.3f}" for n in names if isinstance(v := figures.get(n), float)]
    return ", ".join(shown) or "nothing could be measured"


def _notes(figures: dict[str, object]) -> list[str]:
    notes = figures.get("notes")
    return [str(n) for n in notes] if isinstance(notes, list) else []
