"""A flat table with a label, for people who have no more than that: read, checked, and cross-validated.

It is learned by the same estimator as a task of the lake (`models.hazard`), with one period that has passed for every
row. A flat table says nothing of when its columns were known, so a figure from it is worth as much as that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from joblib import Parallel, delayed

from models import hazard
from models.encode import Encoder
from models.hazard import Hazard, LabelError, Params
from training import metrics

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
"""Words of a CSV that stand for "not known", with or without blanks around."""
_WIDE = Params(num_leaves=31, min_child_samples=50, lambda_l2=1.0, feature_fraction=0.8)
SIZES = (_WIDE, replace(_WIDE, num_leaves=7, feature_fraction=0.4))
"""Ways to grow trees, of which the one with the smaller loss out of fold is kept: few rows want small trees."""
_EDGE = np.array([1], np.int64)
_ID_SHARE = 0.95
_TELLS = 0.98
_FEW = 50
_NUMBERS = 0.9
"""So many of the different words of a column must be numbers for the others to be read as missing."""


class TableError(ValueError):
    """A table that cannot be learned from; the message names the file, the column or the row."""


@dataclass(frozen=True)
class FlatTable:
    """n rows: ``X`` float32 (NaN: missing) or pandas ``category``; ``y`` (n,) int8, 1 for the positive label.

    ``groups`` (n,) whom each row is about: rows of one are never on both sides of a fold. ``notes``: what was left out
    or read in a way worth knowing, a sentence each.
    """

    X: pd.DataFrame = field(repr=False)
    y: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What cross-validation found. ``folds``: a row per fold seed and fold with the metrics of its held-out rows.

    ``p`` (n,) out-of-fold probabilities of the first seed; ``gains``: each column's share of what the trees gained.
    """

    folds: pd.DataFrame = field(repr=False)
    p: np.ndarray = field(repr=False)
    gains: pd.Series = field(repr=False)

    @property
    def auc(self) -> float:
        """Mean AUC over all folds of all seeds."""
        return float(self.folds["auc"].mean())


def read_table(
    path: Path, label: str, positive: str, *, id_column: str | None = None, drop: Sequence[str] = ()
) -> FlatTable:
    """The table in a CSV (also gzipped) or Parquet file.

    ``positive``: the value of ``label`` that is predicted, as it is written. Columns are numbers where all values are,
    else categories; those that are constant, or different for nearly every row and no measurement, are left out, which
    a note says. Raises `TableError`.
    """
    frame = _read(path)
    for name in (label, *([id_column] if id_column else ()), *drop):
        if name not in frame.columns:
            raise TableError(f"{path.name}: no column '{name}' (there are: {', '.join(frame.columns)})")
    y = _labels(path, frame[label], positive)
    groups = np.arange(len(frame)) if id_column is None else pd.factorize(_known_ids(path, frame[id_column]))[0]
    columns, notes = {}, []
    for name in frame.columns.drop([label, *([id_column] if id_column else ()), *drop]):
        column, note = _column(frame[name])
        notes += [f"{name}: {note}"] if note else []
        if column is not None:
            columns[name] = column
            notes += _alarm(name, column, y)
    if not columns:
        raise TableError(
            f"{path.name}: no column is left to learn from ({'; '.join(notes) or 'there is only the label'})"
        )
    return FlatTable(pd.DataFrame(columns), y, groups, tuple(notes))


def judge(
    table: FlatTable,
    *,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    sizes: Sequence[Params] = SIZES,
    progress: Callable[[str], None] = lambda words: None,
) -> Judged:
    """Cross-validated, once for every fold seed. Raises `LabelError` where there is one class, or too few to fold."""
    for value, word in ((1, "the positive label"), (0, "any other label")):
        if (found := int((table.y == value).sum())) < 2 * folds:
            raise LabelError(f"{found} rows have {word}: {folds} folds take at least {2 * folds}")
    rows, first, gains = [], np.empty(len(table.y)), []
    for seed in seeds:
        progress(f"fold seed {seed}: {folds} folds")
        fold = hazard.folds(table.groups, folds, seed)
        found = Parallel(n_jobs=-1)(delayed(_held_out)(table, fold == f, seed, sizes) for f in range(folds))
        for f, (p, gain) in enumerate(found):
            rows.append({"seed": seed, "fold": f, **metrics.score(table.y[fold == f], p)})
            gains.append(gain)
            if seed == seeds[0]:
                first[fold == f] = p
    share = pd.Series(np.mean(gains, axis=0), table.X.columns).sort_values(ascending=False)
    return Judged(pd.DataFrame(rows), first, share)


def fit_table(table: FlatTable, seed: int = 0, sizes: Sequence[Params] = SIZES) -> tuple[Encoder, Hazard]:
    """The encoder and the model of all rows: of several ``sizes`` the one with the smallest loss out of fold."""
    encoder = Encoder.fit(table.X)
    encoded, after = encoder.transform(table.X), np.where(table.y == 1, 0, -1)
    followed = np.full(len(table.y), _EDGE[-1])
    found = [
        hazard.fit(encoded, table.y, after, followed, _EDGE, label="label", groups=table.groups, seed=seed, params=size)
        for size in sizes
    ]
    return encoder, min(found, key=lambda model: model.fitted.loss)


def _held_out(table: FlatTable, held: np.ndarray, seed: int, sizes: Sequence[Params]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the rows held out, by a model of the others, and each column's share of its gain."""
    rest = replace(table, X=table.X[~held], y=table.y[~held], groups=table.groups[~held])
    encoder, model = fit_table(rest, seed, [replace(size, num_threads=1) for size in sizes])
    gain = model.boosters[0].feature_importance("gain")[: len(table.X.columns)]
    return model.curve(encoder.transform(table.X[held]))[:, -1], gain / max(gain.sum(), 1e-12)


def _read(path: Path) -> pd.DataFrame:
    """All columns, those of a CSV as text."""
    if not path.name.endswith(SUFFIXES):
        raise TableError(f"{path.name}: the name must end in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise TableError(f"there is no file {path}")
    try:
        if path.suffix == ".parquet":
            frame = pq.read_table(path).to_pandas()
        else:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:
        raise TableError(f"{path.name} cannot be read: {error}") from None
    if frame.empty:
        raise TableError(f"{path.name} has no rows")
    return frame


def _labels(path: Path, column: pd.Series, positive: str) -> np.ndarray:
    words = _words(column)
    if words.isna().any():
        rows = ", ".join(str(i + 1) for i in np.flatnonzero(words.isna())[:5])
        raise TableError(f"{path.name}: {int(words.isna().sum()):,} rows have no '{column.name}' (rows {rows}, ...)")
    values = sorted(words.unique())
    if positive not in values:
        shown = ", ".join(map(repr, values[:8]))
        raise TableError(f"{path.name}: '{column.name}' is never '{positive}' (it is {shown})")
    if len(values) == 1:
        raise TableError(f"{path.name}: '{column.name}' is always '{positive}': there is nothing to tell apart")
    return (words == positive).to_numpy(np.int8)


def _known_ids(path: Path, column: pd.Series) -> pd.Series:
    words = _words(column)
    if words.isna().any():
        raise TableError(f"{path.name}: row {int(np.flatnonzero(words.isna())[0]) + 1} has no '{column.name}'")
    return words


def _words(column: pd.Series) -> pd.Series:
    """As text without blanks around; missing where it says so."""
    words = column.astype("str").str.strip() if column.dtype != bool else column.astype("str")
    return words.mask(words.isin(MISSING) | column.isna())


def _column(column: pd.Series) -> tuple[pd.Series | None, str]:
    """The column as it is learned from (``None``: not at all), and what is worth saying of that."""
    words = _words(column)
    known = words.dropna()
    if known.nunique() < 2:
        return None, "always the same, left out"
    numbers = pd.to_numeric(words, errors="coerce")
    different = pd.Series(known.unique())
    numeric = pd.to_numeric(different, errors="coerce").notna()
    if numeric.mean() > _NUMBERS and numeric.sum() > 1:
        if not np.isfinite(numbers.dropna()).all():
            raise TableError(f"column '{column.name}' holds a number that is none (infinite)")
        if known.nunique() == len(column) and (numbers == numbers.round()).all():
            return None, "a whole number of its own for every row, left out as an identifier"
        rest = ", ".join(map(repr, different[~numeric][:3]))
        return numbers.astype(np.float32), f"{rest} read as missing among numbers" if rest else ""
    if known.nunique() > _ID_SHARE * len(column):
        return None, "different on nearly every row, left out as an identifier"
    return words.astype("category"), ""


def _alarm(name: str, column: pd.Series, y: np.ndarray) -> list[str]:
    """A column that alone tells the label nearly always was most likely written after it."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        if len(column.cat.categories) > _FEW:
            return []
        codes = column.cat.codes.to_numpy()
        rate = np.bincount(codes + 1, weights=y) / np.maximum(np.bincount(codes + 1), 1)
        said = rate[codes + 1]
    else:
        said = np.nan_to_num(column.to_numpy(np.float64), nan=float(column.min()) - 1)
    auc = metrics.auc(y, said)
    if max(auc, 1 - auc) < _TELLS:
        return []
    return [f"{name}: tells the label nearly alone (AUC {max(auc, 1 - auc):.3f}): was it known before?"]
