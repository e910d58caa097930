"""What the service runs on: the live store, the champions, and what goes between. Everything is put together here."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import orjson
import structlog
from sqlalchemy import func, select

from features.engine.live.layout import Layout
from models.nba.policy import Policy
from serving.champion import CHURN, Champions, Offered, Shadow
from serving.deciding.answer import JSON, Speaker, cuts
from serving.deciding.decide import scores
from serving.deciding.match import key_ids, match
from serving.deciding.panel import Ground, Panel
from serving.deciding.person import person
from serving.errors import Problem
from serving.forms import FactForm
from serving.intake import Intake
from serving.journalling import Journalling, Made, Texts
from serving.live import schema
from serving.live.append import Appended, Appending
from serving.live.feeds import Covered, Feeds
from serving.live.known import Known, Scope
from serving.live.spill import Spill
from serving.live.store import Reading, Store, StoreAway, Work
from serving.live.words import Words
from serving.resources import Resources
from serving.schemas import DecisionRequest, PersonRequest
from serving.settings import Settings
from serving.taking import Asked, Moment, Ready, Taken, take, take_blindly
from serving.watch.metrics import Metrics
from serving.writings import Writings

T = TypeVar("T")
logger = structlog.get_logger("serving")
_COUNTED_EVERY = 60.0
"""Seconds for which the number of known people is good: it only says how likely nobody of them is meant."""
_DELIVERED_EVERY = 1.0
"""Seconds. To deliver takes the event loop 20 us a decision at once, and few calls find it at that if it is seldom."""
_NOTHING = Covered(0, {}, (), {})


class Engine:
    """Answers from a live store and the champions. `open` makes it ready; `close` finishes what is under way."""

    def __init__(self, settings: Settings, resources: Resources, store: Store, metrics: Metrics) -> None:
        self.settings, self.resources, self.store, self.metrics = settings, resources, store, metrics
        catalog = resources.workspace.catalog
        self.ground = Ground(catalog, Layout.of(catalog), Policy(resources.actions))
        self.words = Words(self.ground.layout)
        self.scope = Scope(catalog, self.ground.layout, self.words, self.ground.churn.entity)
        patience = store.texts().get("patience")
        self.feeds = Feeds() if patience is None else Feeds(int(patience))
        self.appending = Appending(catalog, self.words, self.feeds)
        self.intake = Intake(catalog, resources.keyring)
        self.spill = Spill(store.beside or settings.home / "undelivered" / resources.workspace.name)
        self.shadow = Shadow()
        self.follower = resources.follower
        self.texts = Texts()
        self._coverage: dict[int, str] = {}
        self._offset = 0 if store.inline else int(store.texts().get("offset", 0))
        self._people = (0.0, 0)
        self.writings = Writings(store, settings.time_limit)
        self.journalling = Journalling(store, self.spill, self.texts, self.writings, settings.time_limit)
        self._pool = None if store.inline else ThreadPoolExecutor(settings.threads, "decisions")

    @classmethod
    def open(cls, settings: Settings, resources: Resources, store: Store, metrics: Metrics) -> "Engine":
        """An engine whose champions are warm and followed."""
        engine = cls(settings, resources, store, metrics)
        with store.reading() as reading:
            engine.words.refresh(reading)
        if store.inline:
            try:
                engine.spill.prepare()
            except OSError as error:
                logger.warning("there is no room for decisions beside the store; they go into it", why=str(error))
        engine.follower.start(engine.made_ready)
        engine._warm()
        if settings.shadow:
            engine.shadow.start()
        engine._tell()
        return engine

    def _tell(self) -> None:
        """What metrics ask of the engine when they are read."""
        metrics, shadow = self.metrics, self.shadow.snapshot
        metrics.queue("undelivered", lambda: self.spill.waiting)
        metrics.queue("writer", lambda: self.store.waiting)
        stale = "1 where the models that answer are not those the registry names."
        metrics.gauge("champion_stale", stale, lambda: float(self.follower.status().stale))
        metrics.gauge("champion_swaps", "How often other models came to answer.", lambda: self.follower.status().swaps)
        metrics.gauge("shadow_offered", "Answers offered to the challengers.", lambda: shadow().offered)
        metrics.gauge("shadow_dropped", "Those they had no time for.", lambda: shadow().dropped)
        metrics.gauge("shadow_failed", "Those they could not score.", lambda: shadow().failed)
        apart = "Mean difference of a challenger's risk from the champion's, the largest of them."
        metrics.gauge(
            "shadow_difference", apart, lambda: max((abs(c.difference) for c in shadow().comparisons), default=0.0)
        )

    @property
    def entity(self) -> str:
        """The type of who is decided about."""
        return self.scope.entity_type

    @property
    def ready(self) -> Ready:
        """The champions that answer now, and all that stands ready for them; a request takes it once."""
        ready = self.follower.serving.prepared
        assert ready is not None, "the follower was started"
        return ready

    def made_ready(self, champions: Champions) -> Ready:
        """What stands ready for some champions. Takes its time: not on the way of requests."""
        panel = Panel(champions, self.ground)
        features = orjson.dumps(panel.names)
        return Ready(panel, Speaker(panel), self.texts.name(features), self.texts.name(self.resources.rules))

    def known(self, reading: Reading) -> Known:
        """What a reading knows."""
        return Known(reading, self.scope)

    async def decide(self, request: DecisionRequest) -> bytes:
        """The answer to a request, once it is written down; a `Problem` for keys that cannot be read."""
        began = time.perf_counter()
        keys = key_ids(self.resources.keyring, self.ground.catalog.key_types, request.keys)
        asked, ready = Asked(new_id(), tuple(keys), request.channel, request.limit), self.ready
        keyed = time.perf_counter()
        try:
            taken, kept = await self._read(lambda: self._taken(ready, asked))
        except (StoreAway, TimeoutError):
            taken, kept = self._blind(ready, asked), []
        decided = time.perf_counter()
        taken = await self._written_down(taken, kept)
        observe = self.metrics.observe_stage
        observe("keys", keyed - began)
        observe("decision", decided - keyed)
        observe("journal", time.perf_counter() - decided)
        self._observe(taken, ready)
        return taken.answer

    async def score(self, people: Sequence[PersonRequest]) -> bytes:
        """What is likely of each, without deciding anything; a 503 `Problem` where the store is away."""
        types, ring = self.ground.catalog.key_types, self.resources.keyring
        asked = [key_ids(ring, types, one.keys, f"body.people.{i}.keys") for i, one in enumerate(people)]
        ready = self.ready
        try:
            return await self._read(lambda: self._scored(ready, asked))
        except (StoreAway, TimeoutError) as error:
            raise away() from error

    async def take(self, forms: Sequence[FactForm]) -> Appended:
        """What became of facts, once they are durable."""
        facts = self.intake.facts(forms, self._clock())
        return await self.written(lambda writing: self.appending.add(facts, writing))

    async def written(self, work: Work[T]) -> T:
        """What a work comes to, once it is durable; a 503 `Problem` where the store does not take it in time."""
        try:
            return await self.writings.durable(work)
        except (StoreAway, TimeoutError) as error:
            raise away() from error

    async def _read(self, work: Callable[[], T]) -> T:
        """What some reading comes to: at once where the store is in this process, else in a thread, in limited time."""
        if self._pool is None:
            return work()
        async with asyncio.timeout(self.settings.time_limit):
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _taken(self, ready: Ready, asked: Asked) -> tuple[Taken, list[tuple[str, tuple]]]:
        with self.store.reading() as reading:
            known = self.known(reading)
            reading.hold([key for _, key in asked.keys])
            named = known.named(asked.keys)
            taken = take(known, ready, asked, named, self.moment(reading))
        return taken, known.kept

    def _blind(self, ready: Ready, asked: Asked) -> Taken:
        now = self._clock()
        return take_blindly(ready, asked, Moment(now, now, _NOTHING, self._text_of(_NOTHING), 0))

    def moment(self, reading: Reading) -> Moment:
        """The cuts of a reading, and what is covered then."""
        covered = self.feeds.covered(reading)
        return Moment(reading.now, reading.seen, covered, self._text_of(covered), self._count_people(reading))

    async def _written_down(self, taken: Taken, made: Made) -> Taken:
        """What may be answered; a 503 `Problem` where it can be written down nowhere."""
        try:
            taken = await self.journalling.keep(taken, made)
        except OSError as error:
            logger.error("a decision could not be written down anywhere", why=str(error))
            raise away() from error
        for reason in taken.entry.degraded:
            self.metrics.degrade(reason)
        return taken

    def _scored(self, ready: Ready, people: Sequence[list[tuple[str, int]]]) -> bytes:
        said = []
        with self.store.reading() as reading:
            known = self.known(reading)
            reading.hold([key for keys in people for _, key in keys])
            moment = self.moment(reading)
            for keys in people:
                found = match(keys, known.named(keys), moment.people)
                who = person(known, ready.panel, moment.covered, found)
                said.append(ready.speaker.said(found, who, scores(who, ready.panel)))
        if known.kept:
            self.store.write(known.keep)
        instants = cuts(moment.now, moment.seen, moment.covered.silent)
        return orjson.dumps({"people": said, "model": ready.speaker.model, "cuts": instants}, option=JSON)

    def _observe(self, taken: Taken, ready: Ready) -> None:
        first = taken.entry.offers[0][0] if taken.entry.offers else None
        self.metrics.observe_decision(first, taken.entry.state, taken.entry.risk)
        champions, vector, churn = ready.panel.champions, taken.person.vector, taken.decision.scores.churn
        if CHURN in champions.challengers and churn is not None and churn.basis == "scored":
            names = champions.challengers[CHURN].model.features
            self.shadow.offer(Offered(champions, CHURN, lambda: vector.frame(names), {ready.panel.label: churn.risk}))

    def _count_people(self, reading: Reading) -> int:
        counted, found = self._people
        if not found or time.monotonic() - counted > _COUNTED_EVERY:
            found = int(reading.rows("SELECT count(*) FROM known_keys WHERE key_type = ?", self.entity)[0][0])
            self._people = time.monotonic(), found
        return found

    def _text_of(self, covered: Covered) -> str:
        """The digest of what is covered."""
        found = self._coverage.get(covered.version)
        if found is None:
            body = orjson.dumps([covered.coverage, covered.silent], option=orjson.OPT_SORT_KEYS)
            found = self._coverage[covered.version] = self.texts.name(body)
        return found

    def _clock(self) -> int:
        """The store's now, without asking a server, which might not answer."""
        return self.store.clock() if self.store.inline else time.time_ns() // 1000 + self._offset

    async def keep_delivering(self) -> None:
        """Deliver what waits, and tell how old the feeds are, again and again."""
        while True:
            await asyncio.sleep(_DELIVERED_EVERY)
            try:
                if delivered := await asyncio.to_thread(self.journalling.deliver):
                    logger.info("decisions delivered to the store", count=delivered)
                self.metrics.serve_models(self.ready.speaker.versions)
                covered, now = await asyncio.to_thread(self.feeds_now)
                for source, heard in covered.heard.items():
                    self.metrics.cover(source, heard - now + time.time_ns() // 1000)
            except StoreAway:
                continue
            except Exception:
                logger.exception("decisions that wait cannot be delivered")

    def feeds_now(self) -> tuple[Covered, int]:
        """What is covered now, and when that is; raises `StoreAway`."""
        with self.store.reading() as reading:
            return Feeds(self.feeds.patience).covered(reading), reading.now

    def _warm(self) -> None:
        """Answer once for somebody in every state, so that everything has run."""
        keys = schema.KEYS.c
        with self.store.engine.connect() as core:
            first = select(keys.key_type, func.min(keys.key_id)).group_by(keys.key_type)
            some = [(kind, int(key)) for kind, key in core.execute(first)]
            two = select(keys.key_id).where(keys.key_type == self.entity).limit(2)
            pair = [(self.entity, int(key)) for key in core.execute(two).scalars()]
        channel, ready = self.resources.actions.actions[0].channels[0], self.ready
        for asked in [*([one] for one in some), pair, *([(kind, 0)] for kind, _ in some)]:
            self._taken(ready, Asked("0" * 32, tuple(asked), channel, 1))

    def close(self) -> None:
        """Stop following, finish what is under way and let go of everything."""
        self.follower.stop()
        self.shadow.stop()
        if self._pool is not None:
            self._pool.shutdown()
        self.journalling.close()
        self.store.close()


def new_id() -> str:
    """32 hexadecimal digits nobody else gets: first the time, so that what is written together lies together."""
    return f"{time.time_ns() // 1000:014x}{secrets.token_hex(9)}"


def away() -> Problem:
    """The store does not answer, or not in time."""
    return Problem(503, "the live store does not answer in time; ask again", headers={"Retry-After": "1"})
