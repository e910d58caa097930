"""What else a review lays out, each a `Part`: peers, the worth of a list, whether reasons hold, whom offers reach."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from models.bundle import Model
from models.nba.catalogue import Catalogue
from models.reasons import group_names
from training import peer_plots, peers
from training.evaluate import Scored
from training.prepare import Prepared
from training.run import TrainRecord
from training.worth import offered, plots, profit, reasons_audit

CHURN, NEEDS = "churn", "needs"
"""The tasks the policy weighs; a list of leavers is priced for the first."""


@dataclass(frozen=True)
class Part:
    """``figures``: metrics; ``tables``: name -> frame; ``draw(folder)`` writes pictures; ``notes`` go on the card."""

    name: str
    figures: Mapping[str, float]
    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    draw: Callable[[Path], object] = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What to lay out. ``actions``: the operator's catalogue with its costs; ``others``: task -> its champion, which
    the policy weighs beside this model; ``peers``: also fit what else one might have fitted, which takes as long again.
    """

    actions: Catalogue | None = None
    others: Mapping[str, Model] = field(default_factory=dict)
    peers: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns these read beside the model's own."""
        if self.actions is None:
            return ()
        found = [*self.actions.reads, self.actions.customer_value.monthly_value, *offered.BY]
        found += [name for model in self.others.values() for name in model.features]
        return tuple(dict.fromkeys(found))


def parts(record: TrainRecord, prepared: Prepared, scored: tuple[Scored, ...], wanted: Wanted) -> tuple[Part, ...]:
    """The parts that can be made of a fitted model; ``scored``: its labels at the headline horizon."""
    say = record.settings.progress
    found: list[Part] = []
    if wanted.peers:
        found.append(_peers(record))
    if wanted.actions is not None:
        say("what a list is worth, and whom offers reach")
        found += [_profit(one, prepared, wanted.actions) for one in scored if record.model.manifest.task == CHURN]
        found += _reach(record, prepared, wanted)
    if len(group_names(record.model)) > 1:
        say("whether the reasons hold")
        found.append(_reasons(record, prepared, scored))
    return tuple(found)


def _peers(record: TrainRecord) -> Part:
    table = peers.peers(record.model, record.train, record.test, record.settings)
    task = record.model.manifest.task
    return Part(
        "peers",
        peers.flat(table),
        {"peers": table},
        lambda folder: peer_plots.draw(table, task, folder / "peers.png"),
    )


def _profit(scored: Scored, prepared: Prepared, actions: Catalogue) -> Part:
    found = profit.of(scored, prepared.test, actions)
    best = [
        f"A list for '{one.action}' is worth most with {one.share:.0%} of those who may get it asked: "
        f"{one.total:,.0f} {actions.currency} on the test rows (95 %: {one.low:,.0f} to {one.high:,.0f})"
        for one in found.lists
    ]
    return Part(
        "profit",
        found.metrics(),
        {"profit": found.table()},
        lambda folder: plots.profit(found, folder / "profit.png"),
        (*best, *found.notes),
    )


def _reach(record: TrainRecord, prepared: Prepared, wanted: Wanted) -> Iterator[Part]:
    task = record.model.manifest.task
    models = {**wanted.others, task: record.model}
    newest = prepared.test.cutoff == prepared.test.cutoff.max()
    found = offered.of(prepared.test.rows(newest), wanted.actions, churn=models.get(CHURN), needs=models.get(NEEDS))
    if found is None or task not in (CHURN, NEEDS):
        return
    yield Part(
        "offered",
        found.metrics(),
        {"offered": found.groups, "offered_ratios": found.ratios},
        lambda folder: plots.reach(found, folder / "offered.png"),
        found.notes,
    )


def _reasons(record: TrainRecord, prepared: Prepared, scored: tuple[Scored, ...]) -> Part:
    labels = [one.label for one in scored] or list(record.model.labels)
    audits = [reasons_audit.audit(record.model, prepared.test, label) for label in labels]

    def draw(folder: Path) -> None:
        for each in audits:
            plots.reasons(each, folder / f"reasons_{each.label}.png")

    notes = [
        f"Reasons of `{a.label}`: the first is among SHAP's first two on {a.top_in_two:.0%} of rows"
        + (f"; they disagree most on {', '.join(a.flagged)}" if a.flagged else "")
        + ("" if a.faithful else "; leaving the named group out does not lower the score more than another")
        for a in audits
    ]
    groups = pd.concat([a.groups.assign(label=a.label) for a in audits], ignore_index=True)
    figures = {name: value for a in audits for name, value in a.metrics().items()}
    return Part(
        "reasons", figures, {"reasons": reasons_audit.table(audits), "reasons_groups": groups}, draw, tuple(notes)
    )
