"""Random worlds written to real lakes, as they arrive: in parts, in any order, compacted or not; and frames as bits."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from oracle import Fact, World

from features.facts import source
from features.identity.keys import KEYS
from features.lake import Lake

PARTS = 2
MISSING = "(missing)"
COMPACTED = ("never", "before the last part", "after it")
arrivals = st.tuples(st.integers(0, 1000), st.sampled_from(COMPACTED))


def write(world: World, folder: Path, arrival: tuple[int, str]) -> Lake:
    """The world's facts, evidence, keys and coverage in a new lake; they come in an order drawn with a seed."""
    lake, (seed, compacted) = Lake(folder), arrival
    draw = random.Random(seed)
    keys = [{"key_id": i, "key_type": kind, "hash": i.to_bytes(32, "big")} for i, kind in world.types.items()]
    told = {name: {"keys": None, **_coverage(world, name)} for name in (*world.facts, "evidence")}
    told["evidence"]["keys"] = pa.Table.from_pylist(keys, schema=KEYS)
    rows = {name: _rows(facts) for name, facts in {**world.facts, "evidence": world.evidence}.items()}
    for of_source in rows.values():
        draw.shuffle(of_source)
    for part in range(PARTS):
        if part == PARTS - 1 and compacted == "before the last part":
            lake.compact()
        for name, of_source in rows.items():
            table = pa.Table.from_pylist(of_source[part::PARTS], schema=source(name).schema)
            lake.append(name, table, **told.pop(name, {}))
    if compacted == "after it":
        lake.compact()
    return lake


def side_by_side(worlds: Sequence[World]) -> list[World]:
    """The same worlds with keys and ids of their own and one coverage, so that they fit into one lake."""
    return [_moved(world, 100 * i, worlds[0]) for i, world in enumerate(worlds)]


def united(worlds: Sequence[World]) -> World:
    """One world of several that share no key."""
    facts = {name: [f for world in worlds for f in world.facts[name]] for name in worlds[0].facts}
    types = {key: kind for world in worlds for key, kind in world.types.items()}
    return replace(worlds[0], facts=facts, evidence=[e for world in worlds for e in world.evidence], types=types)


def as_kept(world: World) -> World:
    """The world without revisions that say what was said before: a lake takes them as already known."""
    kept = {name: _without_repeats(facts) for name, facts in world.facts.items()}
    return replace(world, facts=kept, evidence=_without_repeats(world.evidence))


def words_and_bits(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories as words, numbers as the 32 bits they are, so that equal means the very same."""
    return pd.DataFrame({name: _comparable(column) for name, column in frame.items()})


def in_order(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Frames with ``entity``, ``cutoff`` (UTC) and features as one of `words_and_bits`, by entity and cutoff."""
    parts = [(f["entity"].to_numpy(), instants(f["cutoff"]), words_and_bits(f.iloc[:, 2:])) for f in frames]
    entity, cutoff = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:2])
    order = np.lexsort([cutoff, entity])
    values = pd.concat([values for *_, values in parts], ignore_index=True).iloc[order].reset_index(drop=True)
    return values.set_index(pd.MultiIndex.from_arrays([entity[order], cutoff[order]]))


def instants(times: pd.Series) -> np.ndarray:
    """UTC microseconds of instants with a zone."""
    return times.dt.tz_convert("UTC").dt.as_unit("us").astype("int64").to_numpy()


def _comparable(column: pd.Series) -> np.ndarray | pd.api.extensions.ExtensionArray:
    if column.dtype == np.float32:
        return column.to_numpy().view(np.uint32)
    return pd.array([word if isinstance(word, str) else MISSING for word in column], dtype="str")


def _moved(world: World, by: int, like: World) -> World:
    def moved(fact: Fact) -> Fact:
        other = {"other": fact.values["other"] + by} if "other" in fact.values else {}
        return replace(fact, id=f"{by}:{fact.id}", key=fact.key + by, values={**fact.values, **other})

    return replace(
        world,
        facts={name: [moved(fact) for fact in facts] for name, facts in world.facts.items()},
        evidence=[moved(row) for row in world.evidence],
        types={key + by: kind for key, kind in world.types.items()},
        coverage=like.coverage,
    )


def _rows(facts: Iterable[Fact]) -> list[dict]:
    renamed = {"other": "other_id"}
    return [
        {"id": f.id, "key_id": f.key, "at": f.at, "known_at": f.known_at, "void": f.void}
        | {renamed.get(name, name): value for name, value in f.values.items()}
        for f in facts
    ]


def _coverage(world: World, name: str) -> dict:
    """What is covered from the first instant to the last, less the gaps between."""
    held = world.coverage.get(name, ())
    gaps = tuple((ended, begun) for (_, ended), (begun, _) in pairwise(held))
    return {"covered": tuple((low, held[-1][1]) for low, _ in held[:1]), "gaps": gaps}


def _without_repeats(facts: Iterable[Fact]) -> list[Fact]:
    kept: list[Fact] = []
    last: dict[str, str] = {}
    for fact in sorted(facts, key=lambda f: f.known_at):
        said = repr((fact.key, fact.at, fact.void, sorted(fact.values.items())))
        if last.get(fact.id) != said:
            kept.append(fact)
        last[fact.id] = said
    return kept
