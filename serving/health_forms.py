"""What is said of the service itself."""

from typing import Literal

from pydantic import AwareDatetime, Field

from serving.schemas import Form, ModelAnswer


class Alive(Form):
    """The process answers."""

    status: Literal["alive"]


class Following(Form):
    """How the models that answer stand to the registry.

    ``stale``: it has others that could not be loaded, or was not reached for too long; ``error`` says why.
    """

    since: AwareDatetime
    looked: AwareDatetime | None
    stale: bool
    error: str | None
    trouble: str | None


class Ready(Form):
    """Kernel and models are warm; which models answer, and how it stands with what they need.

    ``store``: whether the live store answers; without it nothing is known of anybody. ``undelivered``: decisions
    that wait beside it.
    """

    status: Literal["ready"]
    model: dict[str, ModelAnswer]
    registry: Following
    store: Literal["here", "away"]
    undelivered: int = Field(ge=0)
    silent: list[str]
