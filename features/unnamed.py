"""Who may be asked about before anybody knows whose key it is: keys of some types, just after they were used."""

from collections.abc import Sequence
from dataclasses import dataclass

from features.conditions import DeclarationError, Event, duration, once
from features.feature import Feature
from features.purposes import Narrowed, check_use


@dataclass(frozen=True)
class Visitors:
    """Keys without a name, and what is known of them: their own facts alone.

    ``keys``: the types that may be asked about; ``asked``: the facts after which they are (not one that names them,
    such as a login: who is asked about then is no visitor any more); ``features``: what is read of a key's own
    facts; ``named_within``: a visit teaches about a customer iff the key's owner became known so soon after it.

    That time is short on purpose: a visitor who logs in during the visit is like one who does not. Who is named days
    later came back, because they needed something, and had not left: the longer the time, the more what is learned is
    learned from those.
    """

    keys: tuple[str, ...]
    asked: Event
    features: tuple[Feature, ...]
    named_within: str = "1d"

    def __post_init__(self) -> None:
        if not self.keys or not self.features:
            raise DeclarationError("visitors: name the key types that may be asked about, and the features read then")
        once("visitors: feature", [f.name for f in self.features])
        for feature in self.features:
            if feature.of or feature.via:
                raise DeclarationError(f"visitors: {feature.name} asks for a parent, which nobody knows yet")
        if duration(self.named_within) <= 0:
            raise DeclarationError("visitors: named_within must be longer than nothing")

    def check(self, key_types: Sequence[str], narrowed: Narrowed) -> None:
        """Raise `DeclarationError` for an unknown key type, and for a source that may not be used for profiling."""
        for key_type in self.keys:
            if key_type not in key_types:
                raise DeclarationError(f"visitors: unknown key type '{key_type}' (declared: {', '.join(key_types)})")
        for source in dict.fromkeys([self.asked.source, *(f.source for f in self.features)]):
            check_use("reading visitors", "profiling", source, narrowed)

    @property
    def within(self) -> int:
        """``named_within`` in microseconds."""
        return duration(self.named_within)
