"""`actions.yaml` read and checked; every problem is reported with its file, line, action and field."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from models.nba.catalogue import DO_NOTHING, Action, Catalogue, Condition

Location = tuple[str | int, ...]
Problem = tuple[Location, str]


class CatalogueError(ValueError):
    """An action catalogue that cannot be used; the message lists every problem, each with its line."""


def load(
    path: Path, features: Mapping[str, str], channels: Collection[str], served: Collection[str] | None = None
) -> Catalogue:
    """The catalogue in ``path``, checked against the features (name -> ``number`` or ``category``) and the channels.

    ``served`` names the features that may be read of who objects to profiling (``None``: nobody can): the rules of an
    action open to them may read no others. Raises `CatalogueError`.
    """
    text = _read(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CatalogueError(f"{path}: not YAML: {error}") from None
    if not isinstance(node, yaml.MappingNode):
        raise CatalogueError(f"{path}: expected a mapping with 'actions' and its header, found {type(raw).__name__}")
    _refuse(path, raw, node, list(_twice(node, ())))
    try:
        catalogue = Catalogue.model_validate(raw)
    except ValidationError as error:
        _refuse(path, raw, node, [(e["loc"], e["msg"].removeprefix("Value error, ")) for e in error.errors()])
        raise
    _refuse(path, raw, node, list(_problems(catalogue, features, channels)))
    if served is not None:
        _refuse(path, raw, node, list(_unserved(catalogue, served)))
    return catalogue


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CatalogueError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: cannot be read: {error}") from None


def _refuse(path: Path, raw: Any, node: yaml.Node, problems: list[Problem]) -> None:
    """Raise one `CatalogueError` for all the problems, or return when there are none."""
    if problems:
        raise CatalogueError(
            "\n".join(f"{path}:{_line(node, loc)}: {_place(raw, loc)}: {words}" for loc, words in problems)
        )


def _place(raw: Any, loc: Location) -> str:
    """``action 'faster_plan', eligibility.0.feature``."""
    if loc[:1] == ("actions",) and len(loc) > 1 and isinstance(loc[1], int):
        action = raw["actions"][loc[1]]
        name = action.get("id") if isinstance(action, dict) else None
        field = ".".join(str(part) for part in loc[2:])
        return (f"action '{name}'" if name else f"action number {loc[1] + 1}") + (f", {field}" if field else "")
    return ".".join(str(part) for part in loc)


def _line(node: yaml.Node, loc: Location) -> int:
    """The line of the deepest part of ``loc`` that the file has; a missing field is on its parent's line."""
    line = node.start_mark.line + 1
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode) and (pair := _pair(node, part)):
            line, node = pair[0].start_mark.line + 1, pair[1]
        else:
            break
    return line


def _pair(node: yaml.MappingNode, name: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _twice(node: yaml.Node, loc: Location) -> Iterator[Problem]:
    """Fields written twice in one mapping: YAML would silently keep the later one."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _twice(item, (*loc, index))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield (*loc, key.value), "is written twice"
            seen.add(key.value)
            yield from _twice(value, (*loc, key.value))


def _problems(catalogue: Catalogue, features: Mapping[str, str], channels: Collection[str]) -> Iterator[Problem]:
    """What fits the form but means nothing here: unknown features, needs, channels and consents, and duplicates."""
    value = catalogue.customer_value.monthly_value
    yield from _unknown(("customer_value", "monthly_value"), "feature", value, features)
    for name, feature in catalogue.consents.items():
        yield from _unknown(("consents", name), "feature", feature, features)
    ids: set[str] = set()
    for index, action in enumerate(catalogue.actions):
        loc = ("actions", index)
        if action.id in ids or action.id == DO_NOTHING:
            yield (*loc, "id"), "is reserved" if action.id == DO_NOTHING else "is declared twice"
        ids.add(action.id)
        yield from _action_problems(action, loc, catalogue, features, channels)


def _action_problems(
    action: Action, loc: Location, catalogue: Catalogue, features: Mapping[str, str], channels: Collection[str]
) -> Iterator[Problem]:
    if action.kind == "nothing":
        yield (*loc, "kind"), "doing nothing always competes; its words are declared under do_nothing"
    for number, need in enumerate(action.needs):
        yield from _unknown((*loc, "needs", number), "need", need, catalogue.needs)
        if need in action.needs[:number]:
            yield (*loc, "needs", number), f"names the need '{need}' twice"
    for number, channel in enumerate(action.channels):
        yield from _unknown((*loc, "channels", number), "channel", channel, channels)
    if action.consent is not None:
        yield from _unknown((*loc, "consent"), "consent", action.consent, catalogue.consents)
    for number, condition in enumerate(action.eligibility):
        place = (*loc, "eligibility", number)
        yield from _unknown((*place, "feature"), "feature", condition.feature, features)
        yield from _misfit((*place, "value"), condition, features.get(condition.feature))


def _unserved(catalogue: Catalogue, served: Collection[str]) -> Iterator[Problem]:
    """Of who objects these would be missing, and a rule may hold just because of that."""
    for index, action in enumerate(catalogue.actions):
        for number, condition in enumerate(() if action.by_profiling else action.eligibility):
            if condition.feature not in served:
                yield (
                    ("actions", index, "eligibility", number, "feature"),
                    f"who objects to profiling may get this action, and {condition.feature} is over a source that is "
                    "not declared for service",
                )
        if not action.by_profiling and action.consent and catalogue.consents[action.consent] not in served:
            yield ("actions", index, "consent"), f"the feature behind '{action.consent}' is not declared for service"


def _unknown(loc: Location, what: str, name: str, known: Collection[str]) -> Iterator[Problem]:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
        yield loc, f"there is no {what} '{name}' ({hint})"


def _misfit(loc: Location, condition: Condition, kind: str | None) -> Iterator[Problem]:
    """A value of the wrong kind: text compared with a number would never hold."""
    if kind is None or condition.value is None:
        return
    if condition.operator in ("at_least", "below") and (kind != "number" or isinstance(condition.value, bool)):
        yield loc, f"'{condition.operator}' compares numbers, and {condition.feature} is a {kind}"
    elif isinstance(condition.value, str) != (kind == "category"):
        right = "text (in quotes)" if kind == "category" else "a number, true or false"
        yield loc, f"{condition.feature} is a {kind}: write {right}, not {condition.value!r}"
