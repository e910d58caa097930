"""What the service counts, and `GET /metrics` in Prometheus' text format.

Counting is on the way of every request, reading once in a while: values are added to plain lists and dictionaries
(`observe_stage` 0.3 us; `prometheus_client.Histogram` takes 0.7 us, and 1.6 us where its labels are looked up), and
turned into Prometheus' terms only when they are asked for. For one thread: the event loop's.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from serving.watch.histogram import PROBABILITY, SECONDS, STAGE_SECONDS, Histogram

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
NO_ROUTE = "(no route)"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Metrics:
    """The counts of one app. ``inside``: requests being answered now; the guard keeps it.

    ``clock``: seconds since 1970, for how old the feeds are.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.inside = 0
        self._clock = clock
        self._stages: dict[str, Histogram] = {}
        self._routes: dict[tuple[str, str], Histogram] = {}
        self._answers: Counter[tuple[str, str, str]] = Counter()
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._risk = Histogram(PROBABILITY)
        self._degraded: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._covered: dict[str, int] = {}
        self._models: dict[str, tuple[int, str]] = {}
        self._queues: dict[str, Callable[[], float]] = {}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(_Families(self))
        ProcessCollector(registry=self._registry)

    def observe_stage(self, name: str, seconds: float) -> None:
        """Count how long a stage of a decision took."""
        try:
            self._stages[name].add(seconds)
        except KeyError:
            self._stages.setdefault(name, Histogram(STAGE_SECONDS)).add(seconds)

    def observe_request(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """Count a request: ``route`` is a template such as ``/v1/scores``, ``status`` ``None`` if nothing was sent."""
        method = method if method in _METHODS else "other"
        histogram = self._routes.get((method, route))
        if histogram is None:
            histogram = self._routes[method, route] = Histogram(SECONDS)
        histogram.add(seconds)
        self._answers[method, route, str(status or "none")] += 1

    def observe_decision(self, action: str | None, match: str, risk: float | None = None) -> None:
        """Count a decision: the action in its first slot (``None``: nothing was worth doing), the match state, and the
        risk of leaving within 90 days where one was given.
        """
        self._decisions[action or "none", match] += 1
        if risk is not None:
            self._risk.add(risk)

    def degrade(self, reason: str) -> None:
        """Count an answer from what was left."""
        self._degraded[reason] += 1

    def reject(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._rejected[reason] += 1

    def cover(self, source: str, until: int) -> None:
        """A feed is known up to ``until`` (UTC microseconds)."""
        self._covered[source] = until

    def serve_models(self, models: Mapping[str, tuple[int, str]]) -> None:
        """Which models answer from now on: name -> (version, id)."""
        self._models = dict(models)

    def queue(self, name: str, length: Callable[[], float]) -> None:
        """A queue whose length is asked for when metrics are."""
        self._queues[name] = length

    def gauge(self, name: str, words: str, read: Callable[[], float]) -> None:
        """Any other number that is asked for when metrics are: ``tieline_<name>``."""
        self._gauges[name] = (words, read)

    def text(self) -> bytes:
        """All of it, as `MEDIA_TYPE`."""
        return generate_latest(self._registry)

    def families(self) -> Iterable[Metric]:
        """All of it, in Prometheus' terms."""
        words = "From the request's head to the answer's end."
        yield _histograms("request_seconds", words, ("method", "route"), self._routes)
        yield _counts("requests", "Requests answered.", ("method", "route", "status"), self._answers)
        yield _gauges("inside", "Requests being answered.", (), {(): self.inside})
        yield _counts("rejected", "Requests turned away before they were routed.", ("reason",), self._rejected)
        yield _histograms("stage_seconds", "Stages of a decision.", ("stage",), self._stages)
        yield _counts("decisions", "Decisions by the action in the first slot.", ("action", "match"), self._decisions)
        yield _histograms("risk_90_days", "Risk of leaving within 90 days, as answered.", (), {(): self._risk})
        yield _counts("degraded", "Answers from what was left.", ("reason",), self._degraded)
        now = self._clock()
        stale = {source: now - until / 1e6 for source, until in self._covered.items()}
        yield _gauges("feed_staleness_seconds", "Now less the last instant a feed covers.", ("source",), stale)
        models = {(name, str(version), model_id): 1.0 for name, (version, model_id) in self._models.items()}
        yield _gauges("model_info", "1 for each model that answers.", ("name", "version", "id"), models)
        lengths = {name: length() for name, length in self._queues.items()}
        yield _gauges("queue_length", "What waits in a queue.", ("queue",), lengths)
        for name, (words, read) in self._gauges.items():
            yield _gauges(name, words, (), {(): read()})


class _Families(Collector):
    """A registry's view of the counts."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.families()


def _labels(key: Any) -> tuple[str, ...]:
    return key if isinstance(key, tuple) else (key,)


def _counts(name: str, words: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(f"tieline_{name}", words, labels=labels)
    for key, value in values.items():
        family.add_metric(_labels(key), value)
    return family


def _gauges(name: str, words: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"tieline_{name}", words, labels=labels)
    for key, value in values.items():
        family.add_metric(_labels(key), value)
    return family


def _histograms(name: str, words: str, labels: tuple[str, ...], values: Mapping[Any, Histogram]) -> Metric:
    family = HistogramMetricFamily(f"tieline_{name}", words, labels=labels)
    for key, histogram in values.items():
        buckets = [("+Inf" if bound == float("inf") else str(bound), n) for bound, n in histogram.cumulative()]
        family.add_metric(_labels(key), buckets, histogram.total)
    return family
