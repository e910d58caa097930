"""The model of those without a name: what comes, given that they are a customer, and how likely they are one.

It is apart from the customers' model, so that it costs that one nothing, and reads only what a key's own facts can say.

Nobody knows who is *no* customer: of a customer's visits only some are followed by a name. The trees therefore learn
the chance g(x) of being named soon, and P(customer | x) = g(x) / c, where c is the share of customers' visits that are
named soon, whatever x is: Elkan & Noto (2008), "Learning classifiers from only positive and unlabeled data". Their
first estimator of c is the mean of g over those who were named, by trees that did not see them.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from features.dataset import Dataset
from features.visitors import NAMED, VisitorData
from models.bundle import LabelSpec, Model
from models.hazard import LabelError, Params, folds
from training import evaluate
from training.evaluate import Scored
from training.fit import Settings, describe, fit, fit_label, some


@dataclass(frozen=True)
class VisitorRecord:
    """A fitted visitor model and how it did on later visits that were soon named.

    ``detail`` has one row per label and horizon, and one of `NAMED`: there the probability is that of being named soon.
    """

    model: Model
    train: VisitorData = field(repr=False)
    test: VisitorData = field(repr=False)
    detail: pd.DataFrame = field(repr=False)
    headline: dict[str, object]
    version: int | None = None

    def summary(self) -> dict[str, object]:
        """The figures as JSON can say them."""
        return {
            **self.headline,
            "known_share": self.model.manifest.labels[NAMED].known_share,
            "train_rows": len(self.train.given.X),
            "train_visits": len(self.train.asked.X),
            "model_id": self.model.id or None,
            "model_version": self.version,
            "detail": evaluate.records(self.detail),
        }

    def metrics(self) -> dict[str, float]:
        """Name -> figure, as a tracked run holds them."""
        found = {k: v for k, v in self.headline.items() if isinstance(v, int | float)}
        # Being named soon is no label of the task, and not being a customer either: its figures say so.
        named = self.detail["label"] == NAMED
        found |= evaluate.flat(self.detail[~named]) | evaluate.flat(self.detail[named].assign(label="named"))
        return {f"visitor.{name}": float(value) for name, value in found.items()}

    def card(self) -> str:
        """What a reader must know of a visitor model before its figures, in Markdown."""
        labels = ", ".join(f"`{name}`" for name in self.model.labels if name != NAMED)
        share, asked = self.model.manifest.labels[NAMED].known_share, self.train.asked
        return "\n".join(
            [
                "Of visitors without a name. It reads a key's own facts alone, just after a visit; no link, and "
                "nothing of a customer.",
                "",
                f"- {labels}: given that the visitor is a customer; learned from the {len(self.train.given.X):,} "
                "visits whose visitor was soon named",
                f"- `{NAMED}`: the chance of being named within {asked.task.periods[-1]}, divided by c = {share:.3f}, "
                f"the share of customers' visits that are; learned from {len(asked.X):,} visits",
                f"- left out because somebody behind the key objects to profiling: {asked.objected:,} visits to learn "
                f"from, {self.test.asked.objected:,} to test on",
                "",
            ]
        )


def train_visitors(train: VisitorData, test: VisitorData, settings: Settings) -> VisitorRecord:
    """The record of a visitor model; `models.hazard.LabelError` where a label cannot be learned from those named."""
    settings.progress(f"visitors: {len(train.asked.X):,} visits, {len(train.given.X):,} of them soon named")
    if not len(train.given.X) or not len(test.given.X):
        raise LabelError(f"of {len(train.asked.X):,} and {len(test.asked.X):,} visits nobody was soon named")
    settings = replace(settings, params=small(settings.params))
    model = fit_visitors(train, settings)
    given = evaluate.score(model, test.given)
    detail = evaluate.table([*given, *named_soon(model, test.asked)])
    return VisitorRecord(model, train, test, detail, evaluate.headline(evaluate.table(given)))


def small(params: Params) -> Params:
    """The same for a visitor's few facts: shallow trees in larger steps."""
    return replace(
        params,
        num_leaves=min(params.num_leaves, 7),
        learning_rate=max(params.learning_rate, 0.1),
        most_periods=min(params.most_periods, 200_000),
    )


def fit_visitors(data: VisitorData, settings: Settings) -> Model:
    """The model of a task's labels, given a customer, and of `NAMED`: being one."""
    model = fit(data.given, settings)
    encoded = model.encoder.transform(data.asked.X)
    settings.progress("visitors: who is a customer")
    found = fit_label(data.asked, encoded, 0, settings)
    drawn = encoded[some(len(encoded), settings.seed)]
    spec = describe(NAMED, found, drawn, settings.bands).model_copy(
        update={"edges": found.edges, "known_share": known_share(data.asked, encoded, settings)}
    )
    labels = {**model.manifest.labels, NAMED: spec}
    model = replace(
        model,
        manifest=model.manifest.model_copy(update={"labels": labels}),
        hazards={**model.hazards, NAMED: found},
    )
    given = model.encoder.transform(data.given.X)
    rows = dict.fromkeys(model.labels, given[some(len(given), settings.seed)]) | {NAMED: drawn}
    based = {name: _with_base(model, name, rows[name]) for name in model.labels}
    return replace(model, manifest=model.manifest.model_copy(update={"labels": based}))


def known_share(asked: Dataset, encoded: np.ndarray, settings: Settings) -> float:
    """c, the share of customers' visits that are soon named: each half of the keys judged by the trees of the other."""
    half = folds(asked.entity, 2, settings.seed)
    (outcome,) = asked.outcomes
    mature = asked.followed() >= asked.edges()[-1]
    named = mature & (outcome.ending > 0)
    chances = []
    for held in (0, 1):
        trees = fit_label(asked.rows(half != held), encoded[half != held], 0, settings)
        chances.append(trees.curve(encoded[named & (half == held)])[:, -1])
    return float(np.clip(np.concatenate(chances).mean(), 1e-6, 1.0))


def named_soon(model: Model, asked: Dataset) -> list[Scored]:
    """`NAMED` against what can be seen: the chance of being a customer *and* soon named."""
    share = model.manifest.labels[NAMED].known_share
    return [replace(s, p=s.p * share) for s in evaluate.score(model, asked)]


def _with_base(model: Model, label: str, encoded: np.ndarray) -> LabelSpec:
    base = tuple(model.curve(label, encoded).mean(axis=0).tolist())
    return model.manifest.labels[label].model_copy(update={"base": base})
