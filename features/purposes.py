"""What the rows of a source may be used for: as `facts` declares it, or as a workspace narrows it."""

from collections.abc import Mapping

from features.conditions import DeclarationError, declared
from features.facts import PURPOSES, Purpose

Narrowed = Mapping[str, tuple[Purpose, ...]]
"""Source -> the purposes that are left of its declared ones."""


def purposes(source_name: str, narrowed: Narrowed | None = None) -> tuple[Purpose, ...]:
    """The purposes of a source, in the order of `facts.PURPOSES`; `DeclarationError` names the sources there are."""
    left = declared(source_name).purposes
    if narrowed is not None and source_name in narrowed:
        left = narrowed[source_name]
    return tuple(purpose for purpose in PURPOSES if purpose in left)


def check_narrowed(narrowed: Narrowed) -> None:
    """Raise `DeclarationError` for a purpose that is none, or that the source was not declared for."""
    for name, left in narrowed.items():
        known = declared(name).purposes
        for purpose in left:
            if purpose not in PURPOSES:
                raise DeclarationError(f"purposes of '{name}': no purpose '{purpose}' (known: {', '.join(PURPOSES)})")
            if purpose not in known:
                raise DeclarationError(
                    f"purposes of '{name}': a workspace may narrow them ({', '.join(known)}), not add '{purpose}'"
                )


def check_use(what: str, purpose: Purpose, source_name: str, narrowed: Narrowed | None = None) -> None:
    """Raise `DeclarationError` unless rows of the source may be used for it; ``what`` says who wants to."""
    left = purposes(source_name, narrowed)
    if purpose not in left:
        raise DeclarationError(
            f"{what} is {purpose}, and rows of '{source_name}' may not be used for that "
            f"(declared: {', '.join(left) or 'nothing'})"
        )
