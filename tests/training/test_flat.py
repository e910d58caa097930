"""A flat table with a label: what is read of it, what is refused, and what cross-validation says."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Run

from models.hazard import LabelError
from training.flat import FlatTable, TableError, judge, read_table
from training.metrics import auc

TELCO = Path("../shared/data/ibm_telco.csv")
ROWS = 600


def customers(seed: int = 0) -> pd.DataFrame:
    """Customers whose odds of leaving are known."""
    rng = np.random.default_rng(seed)
    tenure, plan = rng.integers(0, 72, ROWS), rng.choice(["monthly", "yearly"], ROWS)
    z = 1.5 - 0.06 * tenure + 1.0 * (plan == "monthly")
    left = rng.random(ROWS) < 1 / (1 + np.exp(-z))
    return pd.DataFrame({"who": [f"C{i}" for i in range(ROWS)], "tenure": tenure, "plan": plan, "z": z, "Left": left})


def written(tmp_path: Path, frame: pd.DataFrame) -> Path:
    path = tmp_path / "customers.csv"
    frame.replace({True: "Yes", False: "No"}).to_csv(path, index=False)
    return path


def read(tmp_path: Path, frame: pd.DataFrame, **options: object) -> FlatTable:
    return read_table(written(tmp_path, frame), "Left", "Yes", **options)  # type: ignore[arg-type]


def test_columns_are_read_as_what_they_are(tmp_path: Path) -> None:
    frame = customers().drop(columns="z")
    frame["number"] = np.arange(ROWS) + 7_000_000
    frame["country"] = "BE"
    frame["charges"] = np.where(frame["tenure"] == 0, " ", frame["tenure"] * 20.5)
    frame["handset"] = np.where(np.arange(ROWS) % 7 == 0, "Unknown", np.arange(ROWS) % 40)
    table = read(tmp_path, frame, id_column="who")
    assert table.X.columns.tolist() == ["tenure", "plan", "charges", "handset"]
    assert table.X["plan"].cat.categories.tolist() == ["monthly", "yearly"]
    assert table.X["charges"].isna().sum() == (frame["tenure"] == 0).sum()
    assert table.X["handset"].isna().sum() == -(-ROWS // 7)
    assert table.y.tolist() == frame["Left"].astype(int).tolist()
    assert [note.split(":")[0] for note in table.notes] == ["number", "country", "handset"]
    assert "'Unknown' read as missing" in table.notes[-1]


def test_a_column_written_after_the_label_raises_an_alarm(tmp_path: Path) -> None:
    frame = customers()
    frame["refund"] = frame["Left"] * 5.0
    table = read(tmp_path, frame)
    assert any("refund" in note and "was it known before?" in note for note in table.notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.assign(Left=f["Left"].astype(object).where(f.index != 3, "")), r"1 rows have no 'Left' \(rows 4"),
        (lambda f: f.assign(Left=True), "'Left' is always 'Yes'"),
        (lambda f: f.assign(Left=False), "'Left' is never 'Yes'"),
        (lambda f: f.drop(columns="Left"), "no column 'Left'"),
        (lambda f: f.assign(tenure=np.inf * (f["tenure"] - 30.5)), "column 'tenure' holds a number that is none"),
        (lambda f: f[["Left"]], "no column is left"),
        (lambda f: f.head(0), "has no rows"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_by_name(tmp_path: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TableError, match=said):
        read(tmp_path, change(customers()))


def test_a_file_that_is_cut_off_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(written(tmp_path, customers()).read_bytes())
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TableError, match=r"cut.csv.gz cannot be read"):
        read_table(cut, "Left", "Yes")
    with pytest.raises(TableError, match="the name must end in"):
        read_table(tmp_path / "customers.xlsx", "Left", "Yes")
    with pytest.raises(TableError, match="there is no file"):
        read_table(tmp_path / "none.csv", "Left", "Yes")


def test_a_parquet_file_says_what_its_csv_says(tmp_path: Path) -> None:
    frame = customers()
    frame.to_parquet(tmp_path / "customers.parquet")
    by_column = read(tmp_path, frame)
    table = read_table(tmp_path / "customers.parquet", "Left", "True")
    pd.testing.assert_frame_equal(table.X, by_column.X)
    np.testing.assert_array_equal(table.y, by_column.y)


def test_probabilities_out_of_fold_are_honest(tmp_path: Path) -> None:
    frame = pd.concat([customers(seed) for seed in range(8)], ignore_index=True)
    table = read(tmp_path, frame.drop(columns=["z", "who"]))
    found = judge(table, seeds=(1, 2))
    assert found.folds["auc"].between(0.6, 0.95).all()
    assert found.auc > auc(table.y, frame["z"].to_numpy()) - 0.02
    assert abs(table.y.sum() / found.p.sum() - 1) < 0.03
    assert found.gains.index[0] == "tenure"
    assert found.gains.sum() == pytest.approx(1.0)


def test_rows_of_one_customer_are_held_out_together(tmp_path: Path) -> None:
    """A column that names the customer cannot tell anything then, though it tells all when rows are split."""
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(200), 6)
    frame = pd.DataFrame({"who": who, "word": who * 31 % 211, "Left": (rng.random(200) < 0.4)[who]})
    apart = judge(read(tmp_path, frame, id_column="who")).auc
    assert judge(read(tmp_path, frame, drop=["who"])).auc > 0.9
    assert apart < 0.65


def test_too_few_of_a_class_are_refused(tmp_path: Path) -> None:
    frame = customers()
    frame["Left"] = frame.index < 6
    with pytest.raises(LabelError, match="6 rows have the positive label: 5 folds take at least 10"):
        judge(read(tmp_path, frame))


def test_the_command_tells_in_words_and_in_json(tmp_path: Path, command: Run) -> None:
    asked = ("train-table", "--input", written(tmp_path, customers()), "--positive", "Yes")
    code, told, error = command(*asked, "--label", "Left", "--id", "who", "--drop", "z", "--json")
    assert code == 0, error
    said = json.loads(told.splitlines()[-1])
    assert said["rows"] == ROWS
    assert said["columns"] == ["tenure", "plan"]
    assert 0.6 < said["auc"] < 0.95
    assert said["held_out"]["events"] == said["events"]
    code, _, error = command(*asked, "--label", "Gone")
    assert code == 1
    assert "no column 'Gone'" in error


@pytest.mark.skipif(not TELCO.exists(), reason="the IBM sample is not here")
def test_the_ibm_sample_is_told_as_well_as_ever() -> None:
    table = read_table(TELCO, "Churn", "Yes", id_column="customerID")
    assert len(table.X.columns) == 19
    assert judge(table).auc > 0.845
