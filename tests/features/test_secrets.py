"""The secrets of a home: never made anew beside a lake, never another's unnoticed."""

import pytest
from usage_rows import keys, row, table

from features.catalog import CATALOG
from features.identity.keys import SECRET_VARIABLE, SUPPRESSION_VARIABLE
from features.ingest import append_facts
from features.lake import Lake
from features.privacy.forget import forget
from features.privacy.secrets import COUNTRY_VARIABLE, SecretError, country, open_keyring


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in (SECRET_VARIABLE, SUPPRESSION_VARIABLE, COUNTRY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def lake(home):
    """A lake that has forgotten somebody."""
    lake = Lake(home / "lakes" / "telecom")
    ring = open_keyring(home, lake)
    rows = table(row("a", at=1_700_000_000_000_000, known_at=1_700_000_000_000_000)).drop(["key_id"])
    rows = rows.append_column("key", [["C1"]]).append_column("key_type", [["customer"]])
    append_facts(lake, ring, "usage", rows, key_types=CATALOG.key_types)
    assert forget(lake, CATALOG, ring, "customer", "C1").facts == {"usage": 1}
    return lake


def test_both_secrets_are_made_once_in_a_new_home_for_its_owner_only(home):
    lake = Lake(home / "lakes" / "telecom")
    assert open_keyring(home, lake) == open_keyring(home, lake)
    modes = {p.name: p.stat().st_mode & 0o777 for p in home.iterdir() if p.is_file()}
    assert modes == {"secret.key": 0o600, "suppression.key": 0o600}


def test_a_lake_that_was_only_looked_at_is_bound_to_no_secret_yet(home, monkeypatch):
    lake = Lake(home / "lakes" / "telecom")
    monkeypatch.setenv(SECRET_VARIABLE, "tried once, long enough")
    open_keyring(home, lake)
    monkeypatch.delenv(SECRET_VARIABLE)
    assert open_keyring(home, lake) == open_keyring(home, lake)


@pytest.mark.parametrize("secret", ["", "abc"])
def test_what_is_no_secret_is_refused_by_the_name_of_where_it_stands(home, monkeypatch, secret):
    monkeypatch.setenv(SECRET_VARIABLE, secret)
    with pytest.raises(SecretError, match=f"{SECRET_VARIABLE}: .* needs at least 16"):
        open_keyring(home, Lake(home / "lakes" / "telecom"))


def test_a_missing_secret_beside_a_lake_is_not_made_anew(home, lake):
    other = Lake(home / "lakes" / "another")
    (home / "secret.key").rename(home / "away")
    for each in (lake, other):
        with pytest.raises(SecretError, match=f"not the secret it was written with: set {SECRET_VARIABLE}, or put sec"):
            open_keyring(home, each)
    assert not (home / "secret.key").exists()


def test_a_missing_or_wrong_suppression_secret_would_let_the_forgotten_come_back(home, lake, monkeypatch):
    monkeypatch.setenv(SUPPRESSION_VARIABLE, "another secret, long enough")
    with pytest.raises(SecretError, match="not the one people were forgotten with"):
        open_keyring(home, lake)
    monkeypatch.delenv(SUPPRESSION_VARIABLE)
    (home / "suppression.key").unlink()
    with pytest.raises(SecretError, match=f"who was forgotten: set {SUPPRESSION_VARIABLE}"):
        open_keyring(home, lake)


def test_the_suppression_list_does_not_tell_whom_without_its_secret(home, lake):
    ring = open_keyring(home, lake)
    bare = (ring.hash("customer", "C1"), ring.key_id("customer", "C1").to_bytes(8, "little"))
    content = b"".join(p.read_bytes() for p in lake.root.rglob("*") if p.is_file())
    assert not [b for b in bare if b in content]


def test_national_numbers_are_those_of_the_country_that_is_set(home, monkeypatch):
    assert country() is None
    monkeypatch.setenv(COUNTRY_VARIABLE, "+32")
    ring = open_keyring(home, Lake(home / "lakes" / "telecom"))
    assert ring.key_id("msisdn", "0471 23 45 67") == ring.key_id("msisdn", "+32471234567")
    monkeypatch.setenv(COUNTRY_VARIABLE, "BE")
    with pytest.raises(SecretError, match=COUNTRY_VARIABLE):
        country()


def test_an_empty_lake_needs_no_tags(tmp_path):
    assert Lake(tmp_path / "lake").append("usage", table(row("a")), keys=keys(1)).kept == 1
