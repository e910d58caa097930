"""An action catalogue is right, or says where it is wrong."""

from pathlib import Path

import pytest

from features.facts import CHANNELS
from features.workspace import load_workspace
from models.nba.catalogue import DO_NOTHING
from models.nba.load import CatalogueError, load

FEATURES = {"status": "category", "monthly_value": "number", "consent_marketing": "number"}

HEADER = """\
currency: EUR
customer_value: {monthly_value: monthly_value, months: 12, margin_rate: 0.5}
typical_churn: 0.1
consents: {marketing: consent_marketing}
needs: {faster_line: a faster line, device: a new device}
do_nothing: {agent: Just help., customer: ""}
actions:
"""
ACTION = """\
  - id: faster_plan
    kind: upsell
    words: {agent: Offer it., customer: Faster!}
    needs: [faster_line]
    channels: [app, call_center]
    consent: marketing
    margin: 90
    cost: 2
    discount: 5
    prior_effect: {stay: 0.5, accept: 0.25}
    eligibility:
      - {feature: status, operator: is, value: active}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "actions.yaml"
    path.write_text(text)
    return path


def test_the_built_in_catalogue_holds_on_the_built_in_features() -> None:
    workspace = load_workspace()
    features = {f.name: f.kind for f in workspace.catalog.features}
    catalogue = load(workspace.folder / "actions.yaml", features, CHANNELS)
    assert len(catalogue.actions) >= 12
    assert {a.kind for a in catalogue.actions} == {"retention", "care", "upsell", "service_message", "mission"}
    assert set(catalogue.needs) == {label.name for label in workspace.catalog.task("needs").labels}
    assert {need for a in catalogue.actions for need in a.needs} == set(catalogue.needs), "a need nobody can serve"


def test_doing_nothing_always_competes(tmp_path: Path) -> None:
    catalogue = load(write(tmp_path, HEADER + ACTION), FEATURES, CHANNELS)
    assert [a.id for a in catalogue.choices] == ["faster_plan", DO_NOTHING]
    assert catalogue.reads == ("consent_marketing", "monthly_value", "status")


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("feature: status", "feature: statsu", 19, "0.feature: there is no feature 'statsu' (did you mean status?)"),
        ("value: active", "value: 3", 19, "eligibility.0.value: status is a category: write text (in quotes), not 3"),
        ("operator: is,", "operator: at_least,", 19, "eligibility.0.value: 'at_least' compares numbers"),
        ("operator: is,", "operator: equals,", 19, "eligibility.0.operator: Input should be 'is'"),
        (", value: active", "", 19, "eligibility.0: 'is' needs a value"),
        ("is, value: active", "missing, value: active", 19, "eligibility.0: 'missing' takes no value"),
        ("[faster_line]", "[faster_lane]", 11, "needs.0: there is no need 'faster_lane' (did you mean faster_line?)"),
        ("[faster_line]", "[device, device]", 11, "needs.1: names the need 'device' twice"),
        ("[app, call_center]", "[app, fax]", 12, "channels.1: there is no channel 'fax'"),
        ("[app, call_center]", "[]", 12, "channels: "),
        ("consent: marketing", "consent: cookies", 13, "consent: there is no consent 'cookies'"),
        ("cost: 2", "cost: -2", 15, "cost: Input should be greater than or equal to 0"),
        ("cost: 2", "cost: .nan", 15, "cost: Input should be"),
        ("cost: 2", "cost: yes", 15, "cost: Input should be a valid number"),
        ("cost: 2", "cost: 2\n    cost: 3", 15, "action 'faster_plan', cost: is written twice"),
        ("cost: 2", "costs: 2", 15, "costs: Extra inputs are not permitted"),
        ("accept: 0.25", "accept: 25", 17, "prior_effect.accept: Input should be less than or equal to 1"),
        ("kind: upsell", "kind: gift", 9, "kind: Input should be 'retention'"),
        ("kind: upsell", "kind: nothing", 9, "kind: doing nothing always competes"),
        ("id: faster_plan", "id: do_nothing", 8, "action 'do_nothing', id: is reserved"),
        ("  - id: faster_plan\n    kind", "  - kind", 8, "action number 1, id: Field required"),
        ("currency: EUR", "currency: euros", 1, "currency: String should match pattern"),
        ("monthly_value: monthly_value", "monthly_value: arpu", 2, "value.monthly_value: there is no feature 'arpu'"),
        ("marketing: consent_marketing", "marketing: opt_in", 4, "consents.marketing: there is no feature 'opt_in'"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    text = HEADER + ACTION
    assert text.count(old) >= 1
    path = write(tmp_path, text.replace(old, new, 1))
    with pytest.raises(CatalogueError) as error:
        load(path, FEATURES, CHANNELS)
    assert f"{path}:{line}: " in str(error.value)
    assert says in str(error.value)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    text = HEADER + ACTION.replace("status", "x1") + ACTION.replace("app", "fax")
    with pytest.raises(CatalogueError) as error:
        load(write(tmp_path, text), FEATURES, CHANNELS)
    assert [line.split(": ", 2)[1] for line in str(error.value).splitlines()] == [
        "action 'faster_plan', eligibility.0.feature",
        "action 'faster_plan', id",
        "action 'faster_plan', channels.0",
    ]


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b", "actions: [", "a: !!python/object:os.system x"])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CatalogueError, match=r"actions\.yaml"):
        load(write(tmp_path, text), FEATURES, CHANNELS)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="there is no such file"):
        load(tmp_path / "actions.yaml", FEATURES, CHANNELS)
