"""What belongs to what: how evidence between two key types is read."""

from dataclasses import dataclass

from features.conditions import DeclarationError, duration


@dataclass(frozen=True, slots=True)
class Link:
    """How evidence between two key types is read: ``child`` belongs to ``parent``.

    ``one_parent``: a newer link of the child ends the older one (a number is reassigned, a customer moves house).
    ``rolls_up``: the parent, as an entity, reaches the child's facts. ``back``: how long before the first evidence
    the link already held (``None``: since ever). ``trust``: how probable it is that a key of this kind names the
    right one, which weighs candidates. ``shared``: a child seen with more parents than this (a shop's tablet) is
    guarded: it names nobody, and nobody reads through it. ``undone``: evidence that they are apart says that they
    never were together (an address typed wrong), rather than that it ended (a number given back).

    A link from a type to itself says that two keys are *the same one*: a merge. The older of the two stays, the
    other becomes its alias; evidence that they are apart restores both. Its ``shared`` bounds with how many others a
    key may be said to be the same.
    """

    child: str
    parent: str
    one_parent: bool = True
    rolls_up: bool = True
    back: str | None = "0s"
    trust: float = 1.0
    shared: int | None = None
    undone: bool = False

    def __post_init__(self) -> None:
        name = f"link {self.child} -> {self.parent}"
        if self.is_merge and (self.back is not None or not (self.one_parent and self.rolls_up)):
            raise DeclarationError(f"{name}: a merge holds for all time; declare it with back=None and nothing else")
        if not 0 < self.trust <= 1:
            raise DeclarationError(f"{name}: trust is a probability above 0, not {self.trust}")
        if self.shared is not None and self.shared < 1:
            raise DeclarationError(f"{name}: shared must be at least 1, not {self.shared}")
        if self.back is not None:
            duration(self.back)

    @property
    def is_merge(self) -> bool:
        """Whether it says that two keys of one type are the same one."""
        return self.child == self.parent
