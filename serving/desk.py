"""Decisions without a server, for notebooks and the demo: the same engine over a live store of its own."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from serving.engine import Engine
from serving.filling import filled
from serving.resources import open_resources
from serving.schemas import DecisionAnswer, DecisionRequest, Key
from serving.settings import Settings
from serving.watch.metrics import Metrics


class Desk:
    """What a CRM is answered as of the lake's end. Its store is thrown away with it: close it, or use it in a ``with``.

    Raises `serving.errors.StartError` where something it needs is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = TemporaryDirectory(prefix="tieline-")
        store = str(Path(self._folder.name) / "live.db")
        alone = settings.model_copy(update={"store": store, "as_of": "lake"})
        resources = open_resources(alone)
        self.engine = Engine.open(alone, resources, filled(alone, resources), Metrics())
        self._loop = ThreadPoolExecutor(1, "desk")  # a notebook has an event loop of its own in its thread

    def ask(self, *keys: tuple[str, str], channel: str = "call_center", limit: int = 3) -> DecisionAnswer:
        """The answer to a call by somebody with (type, value) keys; a `serving.errors.Problem` for bad ones."""
        return self.ask_all([keys], channel=channel, limit=limit)[0]

    def ask_all(
        self, people: Sequence[Sequence[tuple[str, str]]], *, channel: str = "call_center", limit: int = 3
    ) -> list[DecisionAnswer]:
        """The answers to many."""
        asked = [
            DecisionRequest(keys=[Key(type=kind, value=value) for kind, value in keys], channel=channel, limit=limit)
            for keys in people
        ]

        async def decide() -> list[DecisionAnswer]:
            return [DecisionAnswer.model_validate_json(await self.engine.decide(one)) for one in asked]

        return self._loop.submit(asyncio.run, decide()).result()

    def close(self) -> None:
        """Let go of the store and the models."""
        self._loop.shutdown()
        self.engine.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
