"""What a workspace declares: frozen data that validates itself, apart from how it is computed.

`Feature`, `Link`, `Task` and what they are made of are imported from here, wherever they stand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.conditions import MAX_FILTERS, Condition, DeclarationError, duration, once
from features.feature import Aggregate, Feature
from features.link import Link
from features.purposes import Narrowed, check_narrowed, check_use
from features.task import Calendar, Label, Operator, Rule, Task, Triggered
from features.unnamed import Visitors

__all__ = [
    "Aggregate",
    "Calendar",
    "Catalog",
    "Feature",
    "Label",
    "Link",
    "Operator",
    "Rule",
    "Task",
    "Triggered",
    "Visitors",
]


@dataclass(frozen=True)
class Catalog:
    """Everything a workspace declares: key types, links, features and tasks."""

    key_types: tuple[str, ...]
    links: tuple[Link, ...]
    features: tuple[Feature, ...]
    tasks: tuple[Task, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    """Group of features -> words a call-centre agent can say, for reasons."""
    purposes: Narrowed = field(default_factory=dict)
    """Source -> what is left of its declared purposes, where this operator may use its rows for less."""
    visitors: Visitors | None = None
    """Which keys may be asked about before anybody knows whose they are."""
    objection: Rule | None = None
    """When somebody objects to profiling: no score is made of them and no model learns from them (see `objection`)."""
    longest: str = "400d"
    """How far back a feature may look that is not the last of something: counts and sums are of a bounded past."""

    def __post_init__(self) -> None:
        once("feature", [f.name for f in self.features])
        once("task", [task.name for task in self.tasks])
        once("link", [f"{link.child} -> {link.parent}" for link in self.links])
        self._no_cycle()
        for link in self.links:
            for end in (link.child, link.parent):
                self._known_type(end, f"link {link.child} -> {link.parent}")
        parents = {link.parent for link in self.links}
        for feature in self.features:
            reached = feature.of or feature.via
            if reached and reached not in parents:
                raise DeclarationError(f"{feature.name}: no link leads to '{reached}'")
        for task in self.tasks:
            self._check_task(task)
        if self.visitors:
            self.visitors.check(self.key_types, self.purposes)
        self._check_look_back()
        self._check_filters()
        self._check_words()
        self._check_purposes()
        self._check_objection()

    def _check_task(self, task: Task) -> None:
        place = f"task '{task.name}'"
        self._known_type(task.entity, place)
        once(f"{place}, feature", task.features or ())
        once(f"{place}, slice", task.slices)
        named = {feature.name: feature for feature in self.features}
        for name in [rule.feature for rule in task.eligible] + list(task.features or ()) + list(task.slices):
            if name not in named:
                raise DeclarationError(f"{place}: no feature '{name}'")
        for rule in task.eligible:
            rule.check(named[rule.feature], place)
        above = self.above(task.entity)
        if task.together is not None and task.together not in above:
            raise DeclarationError(f"{place}: no link leads from '{task.entity}' to '{task.together}'")
        for feature in (*self.task_features(task), *(named[rule.feature] for rule in task.eligible)):
            reached = feature.of or feature.via
            if reached and reached not in above:
                raise DeclarationError(
                    f"{place} reads {feature.name}: no link leads from '{task.entity}' to '{reached}'"
                )

    def above(self, entity: str) -> set[str]:
        """The types of keys that links lead to from a type, over one or several."""
        found: set[str] = set()
        level = {entity}
        while level := {link.parent for link in self.links if link.child in level and not link.is_merge} - found:
            found |= level
        return found

    @property
    def _declared_features(self) -> tuple[Feature, ...]:
        """The features, and those that are read of visitors."""
        return (*self.features, *(self.visitors.features if self.visitors else ()))

    def _check_look_back(self) -> None:
        longest = duration(self.longest)
        for feature in self._declared_features:
            if not feature.may_read_for_ever and (feature.look_back or 0) > longest:
                twice = f", and {feature.aggregate} reads two windows" if feature.aggregate == "rate_change" else ""
                raise DeclarationError(
                    f"{feature.name}: the catalogue looks back at most {self.longest} (longest=){twice}"
                )

    def _check_filters(self) -> None:
        for features in (self.features, self.visitors.features if self.visitors else ()):
            distinct: dict[str, set[tuple[Condition, ...]]] = {}
            for feature in features:
                distinct.setdefault(feature.source, set()).update(feature.filters)
            for source, filters in distinct.items():
                if len(filters) > MAX_FILTERS:
                    raise DeclarationError(
                        f"source '{source}': {len(filters)} distinct filters (where, among), at most {MAX_FILTERS} fit"
                    )

    def _check_words(self) -> None:
        """Where groups are declared, reasons are told in their words: each feature has one, and a meaning."""
        if not self.groups:
            return
        for feature in self._declared_features:
            if not feature.meaning:
                raise DeclarationError(f"{feature.name}: no meaning; say in a few words what it tells")
            if feature.group not in self.groups:
                said = f"unknown group '{feature.group}'" if feature.group else "no group"
                raise DeclarationError(f"{feature.name}: {said} (declared: {', '.join(self.groups)})")

    def _check_purposes(self) -> None:
        check_narrowed(self.purposes)
        for feature in self.features:
            check_use(f"feature {feature.name}", "profiling", feature.source, self.purposes)
        for task in self.tasks:
            for event in task.events:
                check_use(f"task '{task.name}'", "profiling", event.source, self.purposes)
        if self.links:
            check_use("reading links", "identification", "evidence", self.purposes)

    def _check_objection(self) -> None:
        if self.objection is None:
            return
        feature = next((f for f in self.features if f.name == self.objection.feature), None)
        if feature is None:
            raise DeclarationError(f"objection: no feature '{self.objection.feature}'")
        if feature.window is not None:
            raise DeclarationError(f"objection: {feature.name} forgets after {feature.window}; an objection holds")
        self.objection.check(feature, "objection")

    def _known_type(self, key_type: str, place: str) -> None:
        if key_type not in self.key_types:
            raise DeclarationError(f"{place}: unknown key type '{key_type}' (declared: {', '.join(self.key_types)})")

    def _no_cycle(self) -> None:
        """Reach follows links downwards through any number of levels, so none may lead back."""
        children = {
            t: {link.child for link in self.links if link.rolls_up and link.parent == t and not link.is_merge}
            for t in self.key_types
        }
        for start in self.key_types:
            reached: set[str] = set()
            level = children[start]
            while level - reached:
                reached |= level
                level = set().union(*(children[t] for t in level))
            if start in reached:
                raise DeclarationError(f"links lead from '{start}' back to itself; make one of them rolls_up=False")

    def task(self, name: str) -> Task:
        """The task of that name; raises `DeclarationError` naming the tasks there are."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise DeclarationError(
            f"no task '{name}' (this workspace has: {', '.join(t.name for t in self.tasks) or 'none'})"
        )

    def task_features(self, task: Task) -> tuple[Feature, ...]:
        """The features a task's models read, in the order it names them, or all there are in declared order."""
        named = {feature.name: feature for feature in self.features}
        return tuple(named[name] for name in task.features) if task.features is not None else self.features
