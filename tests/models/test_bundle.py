import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from known_hazards import known
from small_models import small_model

from models.bundle import HASHES, MANIFEST, BundleError, Model, digest, load, save
from models.encode import FeatureError

ROWS = known(500, seed=3).X


@pytest.fixture(scope="module", params=[False, True], ids=["closed", "open_ended"])
def model(request: pytest.FixtureRequest) -> Model:
    return small_model(open_ended=request.param)


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save(model, tmp_path / "bundle")
    return tmp_path / "bundle"


def rehash(folder: Path) -> None:
    """Make the hashes agree with what now stands in the folder, as somebody who changes a model on purpose would."""
    files = [p for p in folder.iterdir() if p.name != HASHES]
    (folder / HASHES).write_text(json.dumps({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}))


def rewrite(folder: Path, old: str, new: str) -> None:
    text = (folder / MANIFEST).read_text()
    assert old in text
    (folder / MANIFEST).write_text(text.replace(old, new))
    rehash(folder)


def test_a_round_trip_gives_the_same_floats(model: Model, folder: Path):
    before, after = model.predict(ROWS), load(folder).predict(ROWS)
    assert before.keys() == after.keys() == {"leaves", "calls"}
    for label in before:
        assert np.array_equal(before[label], after[label])


def test_the_id_is_the_digest_of_every_byte(model: Model, folder: Path, tmp_path: Path):
    assert load(folder).id == digest(folder) == save(model, tmp_path / "again")


def test_columns_may_stand_in_any_order_but_none_may_be_missing(folder: Path):
    loaded = load(folder)
    turned = ROWS[["noise", "plan", "pain"]]
    assert np.array_equal(loaded.predict(ROWS)["leaves"], loaded.predict(turned)["leaves"])
    with pytest.raises(FeatureError, match="missing: plan"):
        loaded.predict(ROWS.drop(columns="plan"))


def test_one_row_alone_scores_as_it_does_among_others(folder: Path):
    loaded = load(folder)
    assert np.array_equal(loaded.predict(ROWS)["leaves"][[7]], loaded.predict(ROWS.iloc[[7]])["leaves"])


@pytest.mark.parametrize("name", [MANIFEST, "booster_leaves.txt", "booster_calls.txt"])
def test_one_changed_byte_is_refused(folder: Path, name: str):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} was changed"):
        load(folder)


def test_a_missing_file_is_refused(folder: Path):
    (folder / "booster_calls.txt").unlink()
    with pytest.raises(BundleError, match=r"lacks 'booster_calls\.txt'"):
        load(folder)


def test_an_extra_file_is_refused(folder: Path):
    (folder / "model.pkl").write_bytes(b"cos\nsystem\n")
    with pytest.raises(BundleError, match=r"holds 'model\.pkl'"):
        load(folder)


def test_a_link_is_not_a_file_of_the_model(folder: Path, tmp_path: Path):
    (folder / MANIFEST).rename(tmp_path / "elsewhere.json")
    (folder / MANIFEST).symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match="not a plain file"):
        load(folder)


def test_hashes_that_point_out_of_the_folder_are_refused(folder: Path, tmp_path: Path):
    (tmp_path / "outside").write_text("x")
    hashes = json.loads((folder / HASHES).read_text())
    hashes["../outside"] = hashlib.sha256(b"x").hexdigest()
    (folder / HASHES).write_text(json.dumps(hashes))
    with pytest.raises(BundleError, match="not a plain file of this folder"):
        load(folder)


@pytest.mark.parametrize("path", ["../booster_calls.txt", "/etc/hostname", MANIFEST + "/../x", HASHES])
def test_a_manifest_that_names_another_file_is_refused(folder: Path, path: str):
    rewrite(folder, '"booster_calls.txt"', json.dumps(path))
    with pytest.raises(BundleError, match="not a file of this model"):
        load(folder)


def test_a_model_changed_together_with_its_hashes_is_not_the_expected_one(folder: Path):
    registered = digest(folder)
    rewrite(folder, '"fingerprint": "none"', '"fingerprint": "other"')
    assert load(folder).manifest.fingerprint == "other"
    with pytest.raises(BundleError, match=f"not {registered[:12]} as registered"):
        load(folder, expected=registered)


def change(folder: Path, where: list[str | int], value: object) -> None:
    """Write ``value`` at a place of the manifest, as JSON can say it, and make the hashes agree."""
    text = json.loads((folder / MANIFEST).read_text())
    place = text
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    (folder / MANIFEST).write_text(json.dumps(text))
    rehash(folder)


def test_another_format_is_named_whatever_else_is_in_it(folder: Path):
    change(folder, ["surprise"], 2)
    with pytest.raises(BundleError, match="surprise"):
        load(folder)
    change(folder, ["format"], 2)
    with pytest.raises(BundleError, match="format 2; this version reads format 3: train the model again"):
        load(folder)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (["labels", "leaves", "classes"], 4, "classes"),
        (["labels", "leaves", "calibration", "slope"], [1.0], "must hold 2 causes of . periods"),
        (["labels", "leaves", "calibration", "intercept", 0], [0.0], "must hold 2 causes of . periods"),
        (["labels", "leaves", "calibration", "intercept"], [], "must hold 2 causes of . periods"),
        (["labels", "leaves", "calibration", "slope", 0], float("nan"), "slope"),
        (["labels", "leaves", "bands", "high"], float("nan"), "high"),
        (["features", 0, "typical"], float("inf"), "typical"),
        (["edges", 1], 1, "edges must rise"),
        (["edges"], [], "edges must rise"),
        (["labels"], {}, "at least one label"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(folder: Path, where: list[str | int], value: object, words: str):
    change(folder, where, value)
    with pytest.raises(BundleError, match=words):
        load(folder)


def test_trees_of_other_classes_are_refused(folder: Path):
    manifest = json.loads((folder / MANIFEST).read_text())["labels"]["leaves"]
    change(folder, ["labels", "leaves", "classes"], 2)
    half = {"slope": manifest["calibration"]["slope"][:1], "intercept": manifest["calibration"]["intercept"][:1]}
    change(folder, ["labels", "leaves", "calibration"], half)
    with pytest.raises(BundleError, match=r"tells 3 classes apart; model\.json says 2"):
        load(folder)


def test_trees_that_are_none_or_read_other_columns_are_refused(folder: Path):
    path = folder / "booster_calls.txt"
    trees = path.read_text()
    path.write_text("these are no trees")
    rehash(folder)
    with pytest.raises(BundleError, match="holds no LightGBM model"):
        load(folder)
    path.write_text(trees)
    text = json.loads((folder / MANIFEST).read_text())
    text["features"].pop()
    (folder / MANIFEST).write_text(json.dumps(text))
    rehash(folder)
    with pytest.raises(BundleError, match=r"reads 4 columns; model\.json gives it 3"):
        load(folder)


def test_a_folder_without_a_model_or_with_something_in_it_says_so(model: Model, folder: Path, tmp_path: Path):
    with pytest.raises(BundleError, match="holds no model"):
        load(tmp_path)
    with pytest.raises(BundleError, match="is not empty"):
        save(model, folder)


def test_bands_split_at_their_thresholds(model: Model):
    assert [model.band("leaves", p) for p in (0.19, 0.2, 0.39, 0.4)] == ["low", "medium", "medium", "high"]
