"""Links proposed between two people registers that share no key: what agrees, how rare that is, and whose it is alone.

Splink (an extra: ``pip install 'tieline[splink]'``) weighs the pairs by Fellegi and Sunter's model: per level of
agreement, m (how often among rows of one person) is learned without labels by expectation maximisation, u (among rows
of two) from pairs drawn at random. What a pair's weight means for a link is decided here, see `_shared_out`.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from features.identity.registers.compare import PERSONS, Comparison, Plan, PlanError
from features.identity.registers.register import KEY, Raw, Register, register

try:
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    from splink.comparison_level_library import CustomLevel, ElseLevel
    from splink.comparison_library import CustomComparison
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("proposing links needs Splink: pip install 'tieline[splink]'") from error

ROUNDED = 3
"""Decimals of a confidence: finer ones would only say in which order sums were taken."""

_DRAWN = 1_000_000
"""Random pairs u is learned from: a level one pair in 10,000 reaches is met 100 times."""

_LEARNABLE = 20
"""Training pairs below which a block teaches nothing."""

_RARE = 1e-3
"""Added to every m: no level is impossible because the training saw none."""

_FAINT = -10.0
"""Pairs with a weight below this (log2 of the odds before the others are looked at) are forgotten."""

_EM_ROUNDS = (25, 6, 3)
"""At most, of the expectation maximisation; fewer where more go wrong, see `_learned`."""

_ROUNDS = 200
"""Of the share's estimation; each brings it nearer by the part of the rows that are in doubt."""


class ProposalError(ValueError):
    """Links cannot be proposed; the message says why."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What one level of agreement says: ``m`` and ``u`` (probabilities), ``bits`` is log2(m / u)."""

    comparison: str
    level: str
    m: float
    u: float

    @property
    def bits(self) -> float:
        """How much the level speaks for one person, in bits; negative: for two."""
        return math.log2(self.m / self.u)


@dataclass(frozen=True)
class Proposals:
    """Which rows of the right register belong to which of the left.

    ``pairs``: ``left`` and ``right`` (keys), ``state`` (linked or candidate), ``confidence`` (that right is left's, its
    rivals considered: of one right key they sum to at most 1) and ``alone`` (the same, were there no rival), ordered
    by right key, best first. ``judged``: right keys, each asked about. ``found``: the share of right rows estimated to
    belong to somebody in the left register. ``weights``: what was learned. ``heaps``: how many of all compared pairs
    have a confidence within each tenth.
    """

    left_type: str
    right_type: str
    pairs: pd.DataFrame
    judged: tuple[str, ...]
    left_rows: int
    compared: int
    found: float
    weights: tuple[Weight, ...]
    heaps: tuple[int, ...]
    seconds: float

    def count(self, state: str) -> int:
        """How many pairs are in a state."""
        return int((self.pairs["state"] == state).sum())


def propose(
    left: Raw,
    right: Raw,
    keys: tuple[str, str],
    *,
    plan: Plan = PERSONS,
    link: float = 0.95,
    candidate: float = 0.5,
    seed: int = 0,
    threads: int = 2,
) -> Proposals:
    """Links and candidates between two registers; ``keys`` names their key columns by key type, left first.

    A right row (a loyalty card) belongs to at most one left row (a customer), a left row may have several right ones.
    A pair is linked from confidence ``link`` on. Where a right row has no link, every left row that would be believed
    with probability ``candidate`` if it were alone is a candidate. Equal registers and an equal seed give equal
    proposals. Raises `RegisterError` for what is wrong with a register, `ProposalError` for thresholds in the wrong
    order and for registers with too little in common to learn from.
    """
    since = time.monotonic()
    if not 0 < candidate <= link <= 1:
        raise ProposalError(f"thresholds must rise: 0 < candidate ({candidate:g}) <= link ({link:g}) <= 1")
    sides = tuple(
        register(raw, key, plan.columns, absent=plan.absent, side=f"the {side}")
        for raw, key, side in zip((left, right), keys, ("left", "right"), strict=True)
    )
    with duckdb.connect(config={"threads": threads}) as con:
        model = _learned(con, sides, plan, seed)
        scored = _scored(con, sides, model)
    weighed, found = _shared_out(scored, *map(len, sides))
    heaps, _ = np.histogram(weighed["confidence"], bins=10, range=(0, 1))
    return Proposals(
        left_type=keys[0],
        right_type=keys[1],
        pairs=_stated(weighed, link, candidate),
        judged=tuple(sides[1].rows[KEY].to_pylist()),
        left_rows=len(sides[0]),
        compared=len(scored),
        found=found,
        weights=_weights(model),
        heaps=tuple(int(n) for n in heaps),
        seconds=time.monotonic() - since,
    )


def _linker(con: duckdb.DuckDBPyConnection, sides: Sequence[Register], settings: Any) -> Linker:
    """Splink over the two registers; it is quiet, what it would say is in the errors here."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    api = DuckDBAPI(con)
    tables = [api.register(side.rows, table_name=name) for side, name in zip(sides, ("a_left", "b_right"), strict=True)]
    return Linker(tables, settings, log_level=None)


def _learned(con: duckdb.DuckDBPyConnection, sides: Sequence[Register], plan: Plan, seed: int) -> dict[str, Any]:
    """Splink's settings with m and u of every level.

    Where a small register has no pair of one person at some level, its m falls to nothing, each round squaring it, and
    Splink stops with an error once a float cannot hold it. A few rounds say the same: `_smoothed` adds to it anyway.
    """
    for rounds in _EM_ROUNDS:
        try:
            return _learned_in(con.cursor(), sides, plan, seed, rounds)
        except ValueError as error:
            if "m_probability" not in str(error):
                raise
    raise ProposalError(
        f"the registers ({len(sides[0]):,} and {len(sides[1]):,} rows) have too few pairs of one person to learn from"
    )


def _learned_in(
    con: duckdb.DuckDBPyConnection, sides: Sequence[Register], plan: Plan, seed: int, rounds: int
) -> dict[str, Any]:
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=[_comparison(comparison) for comparison in plan.comparisons],
        blocking_rules_to_generate_predictions=[block_on(*block) for block in plan.blocks],
        probability_two_random_records_match=1 / (1 + len(sides[0])),
        unique_id_column_name=KEY,
        retain_matching_columns=False,
        max_iterations=rounds,
    )
    linker = _linker(con, sides, settings)
    linker.training.estimate_u_using_random_sampling(_DRAWN + 1, seed, min_count_per_level=None, num_chunks=1)
    for block in _teaching(con, sides, plan):
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(*block), estimate_without_term_frequencies=True
        )
    return _smoothed(linker.misc.save_model_to_json(), len(sides[0]) * len(sides[1]))


def _teaching(con: duckdb.DuckDBPyConnection, sides: Sequence[Register], plan: Plan) -> list[tuple[str, ...]]:
    """The training blocks with pairs enough; raises `ProposalError` where a comparison would learn from none."""
    teaching = []
    for block in plan.training:
        columns = ", ".join(f"{part} AS k{n}" for n, part in enumerate(block))
        on = " AND ".join(f"l.k{n} = r.k{n}" for n in range(len(block)))
        parts = (f"(SELECT {columns} FROM {name}) {alias}" for name, alias in (("a_left", "l"), ("b_right", "r")))
        [[pairs]] = con.execute(f"SELECT count(*) FROM {' JOIN '.join(parts)} ON {on}").fetchall()
        if pairs >= _LEARNABLE:
            teaching.append(block)
    try:
        replace(plan, training=tuple(teaching))
    except PlanError:
        poor = [f"fewer than {_LEARNABLE} in {', '.join(block)}" for block in plan.training if block not in teaching]
        raise ProposalError(
            f"the registers have too little in common to learn from: of all pairs {' and '.join(poor)} agree"
        ) from None
    return teaching


def _comparison(comparison: Comparison) -> CustomComparison:
    silent = CustomLevel(comparison.says_nothing, "nothing to compare").configure(is_null_level=True)
    levels = [
        CustomLevel(level.sql, level.label).configure(
            tf_adjustment_column=level.rarity, disable_tf_exact_match_detection=True
        )
        if level.rarity
        else CustomLevel(level.sql, level.label)
        for level in comparison.levels
    ]
    name = comparison.name.replace(" ", "_")
    return CustomComparison([silent, *levels, ElseLevel()], output_column_name=name)


def _smoothed(model: dict[str, Any], pairs: int) -> dict[str, Any]:
    """The settings where every level has an m and a u, none of them 0."""
    for level in _levels(model):
        level["m_probability"] = ((level.get("m_probability") or 0.0) + _RARE) / (1 + _RARE)
        level["u_probability"] = max(level.get("u_probability") or 0.0, 0.5 / min(pairs, _DRAWN))
    return model


def _levels(model: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        level for c in model["comparisons"] for level in c["comparison_levels"] if not level.get("is_null_level", False)
    ]


def _weights(model: dict[str, Any]) -> tuple[Weight, ...]:
    return tuple(
        Weight(
            c["output_column_name"].replace("_", " "),
            "anything else" if level["sql_condition"] == "ELSE" else level["label_for_charts"],
            level["m_probability"],
            level["u_probability"],
        )
        for c in model["comparisons"]
        for level in c["comparison_levels"]
        if not level.get("is_null_level", False)
    )


def _scored(con: duckdb.DuckDBPyConnection, sides: Sequence[Register], model: dict[str, Any]) -> pd.DataFrame:
    """``left``, ``right`` and ``factor``: how much more probable what is seen is if the two are one person."""
    linker = _linker(con.cursor(), sides, model)
    found = linker.inference.predict(threshold_match_weight=_FAINT).as_pandas_dataframe()
    odds = model["probability_two_random_records_match"]
    factor = np.exp2(found["match_weight"].to_numpy(float) - math.log2(odds / (1 - odds)))
    scored = pd.DataFrame({"left": found[f"{KEY}_l"], "right": found[f"{KEY}_r"], "factor": factor})
    return scored.sort_values(["right", "left"], ignore_index=True)


def _shared_out(scored: pd.DataFrame, left_rows: int, right_rows: int) -> tuple[pd.DataFrame, float]:
    """The pairs with ``confidence`` and ``alone``, and the share of right rows that belong to a left one.

    A right row belongs to nobody of the left register with probability 1 - s, else to each of its n rows with s / n.
    By Bayes, with the factors B of its pairs (0 where not compared), it belongs to row i with probability
    ``w B_i / (1 + w sum B)``, ``w = s / (n (1 - s))``. So rivals share one probability, and nobody takes part. s is
    where it equals the mean of what it makes of the rows (expectation maximisation of one parameter).
    """
    codes, _ = pd.factorize(scored["right"])
    factor = scored["factor"].to_numpy()
    sums, share = np.bincount(codes, factor), 0.5
    low, high = 0.5 / (1 + right_rows), 1 - 0.5 / (1 + right_rows)
    for _ in range(_ROUNDS):
        w = share / (left_rows * (1 - share))
        share = min(max(float((w * sums / (1 + w * sums)).sum()) / right_rows, low), high)
    w = share / (left_rows * (1 - share))
    own = w * factor
    return scored.assign(confidence=own / (1 + w * sums[codes]), alone=own / (1 + own)), share


def _stated(weighed: pd.DataFrame, link: float, candidate: float) -> pd.DataFrame:
    """The pairs to tell of, with their state; `Proposals.pairs`."""
    linked = weighed["confidence"] >= link
    settled = weighed["right"].isin(weighed.loc[linked, "right"])
    told = weighed[linked | (~settled & (weighed["alone"] >= candidate))]
    told = told.assign(
        state=np.where(linked[told.index], "linked", "candidate"),
        confidence=_plain(told["confidence"]),
        alone=_plain(told["alone"]),
    ).sort_values(["right", "confidence", "left"], ascending=[True, False, True], ignore_index=True)
    return told[["left", "right", "state", "confidence", "alone"]]


def _plain(probability: pd.Series) -> pd.Series:
    """Rounded; what is not quite sure is never said to be."""
    return probability.round(ROUNDED).clip(upper=1 - 10.0**-ROUNDED)
