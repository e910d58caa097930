"""API keys: made once, kept as hashes, and only the right one opens."""

import json
import stat
import threading
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from serving.access.keys import open_keys
from serving.errors import Problem, StartError


def test_the_first_start_makes_a_key_and_the_second_does_not(tmp_path: Path) -> None:
    keys, made = open_keys(tmp_path / "home")
    assert made is not None
    again, none = open_keys(tmp_path / "home")
    assert none is None
    assert again.check(Headers({"X-API-Key": made})) == keys.check(Headers({"Authorization": f"bearer {made}"}))


def test_the_file_is_the_owners_alone_and_holds_no_key(tmp_path: Path) -> None:
    _, made = open_keys(tmp_path)
    path = tmp_path / "api_keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made is not None
    assert made not in path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["api_keys.json"], "a draft was left behind"


def test_of_many_first_starts_at_once_exactly_one_makes_the_key(tmp_path: Path) -> None:
    made: list[str | None] = []
    threads = [threading.Thread(target=lambda: made.append(open_keys(tmp_path)[1])) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (text,) = [m for m in made if m]
    assert open_keys(tmp_path)[0].check(Headers({"X-API-Key": text})).name == "first"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "tl_wrong"},
        {"X-API-Key": "\xff\xfe"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer tl_wrong"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
    ],
)
def test_without_the_right_key_the_answer_is_401(tmp_path: Path, headers: dict[str, str]) -> None:
    keys, _ = open_keys(tmp_path)
    with pytest.raises(Problem) as error:
        keys.check(Headers(headers))
    assert error.value.status_code == 401
    assert error.value.headers == {"WWW-Authenticate": "Bearer"}


def test_the_stored_hash_does_not_open(tmp_path: Path) -> None:
    keys, _ = open_keys(tmp_path)
    stored = json.loads((tmp_path / "api_keys.json").read_text())["keys"][0]["sha256"]
    with pytest.raises(Problem):
        keys.check(Headers({"X-API-Key": stored}))


def test_a_file_others_may_read_stops_the_start(tmp_path: Path) -> None:
    open_keys(tmp_path)
    (tmp_path / "api_keys.json").chmod(0o644)
    with pytest.raises(StartError, match="chmod 600"):
        open_keys(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", '{"keys": []}', '{"keys": [{"name": "x", "sha256": "short", "made": "now"}]}']
)
def test_a_broken_file_stops_the_start_and_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "api_keys.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StartError, match=r"api_keys\.json"):
        open_keys(tmp_path)
