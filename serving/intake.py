"""Facts as they come in over HTTP -> facts as the store takes them; every fault names its field."""

from collections.abc import Sequence
from datetime import UTC, datetime

from features.declare import Catalog
from features.facts import source
from features.identity.keys import KeyRing, surrogate
from serving.errors import FieldError, Problem
from serving.forms import FactForm, required
from serving.live.append import Fact, Key
from serving.schemas import Key as KeyForm
from serving.settings import micros

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = 300_000_000
"""Microseconds by which a clock elsewhere may be ahead of the store's."""


class Intake:
    """How facts of a catalogue are read. ``ring`` turns keys into ids."""

    def __init__(self, catalog: Catalog, ring: KeyRing) -> None:
        self.catalog, self.ring = catalog, ring
        self._links = {(link.child, link.parent) for link in catalog.links}

    def facts(self, forms: Sequence[FactForm], now: int) -> list[Fact]:
        """The facts; a 422 `Problem` names every field that is wrong. ``now``: the store's, in microseconds."""
        wrong: list[FieldError] = []
        found = [self._fact(form, f"body.facts.{i}", now, wrong) for i, form in enumerate(forms)]
        places: dict[tuple[str, str], int] = {}
        for i, form in enumerate(forms):
            name = (form.source, form.id)  # type: ignore[attr-defined]
            if name in places and forms[places[name]] != form:
                words = f"the same id says something else in fact {places[name]} of this request"
                wrong.append(FieldError(field=f"body.facts.{i}.id", message=words))
            places.setdefault(name, i)
        if wrong:
            raise Problem(422, "a fact cannot be taken, so none was; see errors", wrong)
        return [fact for fact in found if fact is not None]

    def _fact(self, form: FactForm, place: str, now: int, wrong: list[FieldError]) -> Fact | None:
        name: str = form.source  # type: ignore[attr-defined]
        declared = source(name)
        key = self._key(form.key, f"{place}.key", wrong)
        other_form: KeyForm | None = getattr(form, "other", None)
        other = None if other_form is None else self._key(other_form, f"{place}.other", wrong)
        at = micros(form.at)
        if form.at < EARLIEST:
            wrong.append(FieldError(field=f"{place}.at", message=f"is before {EARLIEST.year}"))
        if at > now + AHEAD:
            wrong.append(FieldError(field=f"{place}.at", message="is in the future"))
        if not form.void:
            missing = [name for name in required(declared) if getattr(form, name) is None]
            wrong += [FieldError(field=f"{place}.{name}", message="is missing") for name in missing]
        if other_form is not None and key and other and (key.type, other.type) not in self._links:
            pairs = ", ".join(sorted(f"{child} -> {parent}" for child, parent in self._links))
            message = f"no link is declared for {key.type} -> {other.type} (there are: {pairs})"
            wrong.append(FieldError(field=f"{place}.other.type", message=message))
        if key is None or (other_form is not None and other is None):
            return None
        body = {}
        for column in declared.columns:
            value = None if column.kind == "key" else getattr(form, column.name)
            if value is not None:
                body[column.name] = micros(value) if isinstance(value, datetime) else value
        return Fact(name, form.id, key, at, body, form.void, other)

    def _key(self, form: KeyForm, place: str, wrong: list[FieldError]) -> Key | None:
        if form.type not in self.catalog.key_types:
            allowed = ", ".join(self.catalog.key_types)
            message = f"there is no such key type; it is one of: {allowed}"
            wrong.append(FieldError(field=f"{place}.type", message=message))
            return None
        try:
            hashed = self.ring.hash(form.type, form.value)
        except ValueError as error:
            wrong.append(FieldError(field=f"{place}.value", message=str(error)))
            return None
        return Key(form.type, surrogate(hashed), hashed)
