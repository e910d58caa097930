"""How serving starts: ready only when warm, and not at all, with a clear word, when something is missing."""

import json
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from running import Service, running, wait_until_ready
from small_operator import Operator, home_of, track_for_shop, workspace_of

from models.registry import Registry
from serving.access import stored
from serving.app import create_app
from serving.errors import StartError
from serving.run import run
from serving.settings import Settings


def test_health_needs_no_key_and_readiness_names_the_models(service: Service) -> None:
    assert service.client.get("/healthz").json() == {"status": "alive"}
    ready = service.client.get("/readyz").json()
    assert (ready["status"], ready["store"], ready["undelivered"], ready["silent"]) == ("ready", "here", 0, [])
    assert (ready["registry"]["stale"], ready["registry"]["error"], ready["registry"]["trouble"]) == (False, None, None)
    assert set(ready["model"]) == {"churn", "needs", "churn.visitors", "needs.visitors"}


def test_probes_that_want_no_body_are_answered_without_one(service: Service) -> None:
    for path in ("/healthz", "/readyz"):
        answer = service.client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_until_it_is_warm_it_is_alive_but_not_ready(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(home_of(operator, tmp_path))
    headers = {"X-API-Key": capsys.readouterr().err.split()[-1]}
    body = {"keys": [{"type": "cookie", "value": "x"}], "channel": "web"}
    with running(app, lifespan="off") as client:
        assert client.get("/healthz").status_code == 200
        for answer in (client.get("/readyz"), client.post("/v1/decisions", json=body, headers=headers)):
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert answer.headers["retry-after"] == "1"
            assert "still filling the store" in answer.json()["detail"]


def test_the_key_is_shown_by_the_first_start_only(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = home_of(operator, tmp_path)
    create_app(settings)
    first = capsys.readouterr()
    assert "API key" in first.err
    assert first.out == ""
    create_app(settings)
    assert "API key" not in capsys.readouterr().err


def test_an_empty_home_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"lake .* is empty: run `tieline simulate` or `tieline ingest`"):
        create_app(Settings(home=tmp_path))
    assert list(tmp_path.iterdir()) == [], "a start that failed left something behind"


def test_without_a_model_store_the_start_names_the_command_and_makes_no_store(
    operator: Operator, tmp_path: Path
) -> None:
    settings = home_of(operator, tmp_path).model_copy(update={"tracking_uri": None})
    with pytest.raises(StartError, match="run `tieline train churn`"):
        create_app(settings)
    assert not (settings.home / "mlflow.db").exists()


def test_an_empty_model_store_names_the_command(operator: Operator, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/empty.db"
    with pytest.raises(Exception, match="no champion"):
        Registry(uri).champion("churn")
    with pytest.raises(StartError, match=r"no champion for 'churn'.*run `tieline train churn` first"):
        create_app(home_of(operator, tmp_path).model_copy(update={"tracking_uri": uri}))


def test_a_changed_model_file_stops_the_start(operator: Operator, tmp_path: Path) -> None:
    settings = home_of(operator, tmp_path)
    path = Registry(settings.models).champion("needs").path / "model.json"
    original = path.read_bytes()
    path.write_bytes(original.replace(b'"needs"', b'"meeds"'))
    try:
        with pytest.raises(StartError, match=r"model\.json"):
            create_app(settings)
    finally:
        path.write_bytes(original)


@pytest.fixture(scope="module")
def shop(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A workspace of its own, whose models are the operator's."""
    return track_for_shop(operator, workspace_of(operator, tmp_path_factory.mktemp("shop")))


Edit = Callable[[Path], None]


def _no_actions(folder: Path) -> None:
    (folder / "actions.yaml").unlink()


def _wrong_actions(folder: Path) -> None:
    path = folder / "actions.yaml"
    path.write_text(path.read_text().replace("profile_payment_last", "profile_payment_lost"))


def _unknown_need(folder: Path) -> None:
    path = folder / "actions.yaml"
    path.write_text(path.read_text().replace("  security: security", "  calm: calm").replace("[security]", "[calm]"))


def _other_features(folder: Path) -> None:
    path = folder / "catalog.py"
    path.write_text(
        path.read_text().replace("*telecom.features", "*(f for f in telecom.features if 'payment_since' not in f.name)")
    )


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (_no_actions, "there is no actions.yaml"),
        (_wrong_actions, r"actions\.yaml:\d+: action 'device_offer', eligibility\.1\.feature: .*profile_payment_last"),
        (_unknown_need, "serves the need 'calm', which champion 'shop.needs' version 1 does not predict"),
        (
            _other_features,
            r"champion 'shop\.churn' version 1 reads the feature .* run `tieline train churn --workspace .*shop` again",
        ),
    ],
)
def test_a_workspace_that_does_not_fit_stops_the_start(shop: Settings, tmp_path: Path, edit: Edit, says: str) -> None:
    assert shop.workspace is not None
    edited = shop.model_copy(update={"workspace": shutil.copytree(shop.workspace, tmp_path / "shop")})
    create_app(edited)
    edit(edited.workspace)
    with pytest.raises(StartError, match=says):
        create_app(edited)


def test_a_workspace_answers_with_its_own_models_and_never_with_those_of_another(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = workspace_of(operator, tmp_path)
    with pytest.raises(
        StartError, match=r"no champion for 'shop\.churn' .*run `tieline train churn --workspace .*shop`"
    ):
        create_app(settings)
    app = create_app(track_for_shop(operator, settings))
    headers = {"X-API-Key": capsys.readouterr().err.split()[-1]}
    with running(app) as client:
        wait_until_ready(client)
        body = Service(operator, client, headers).ask(("customer", operator.active[0])).json()
    assert body["churn"]["status"] == "scored"
    assert set(body["model"]) == {"churn", "needs", "churn.visitors", "needs.visitors"}


def test_a_short_secret_stops_the_start(operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_SECRET", "short")
    with pytest.raises(StartError, match="TIELINE_SECRET"):
        create_app(home_of(operator, tmp_path))


def test_a_lake_without_its_secret_stops_the_start(operator: Operator, tmp_path: Path) -> None:
    settings = home_of(operator, tmp_path)
    (settings.home / "secret.key").unlink()
    with pytest.raises(StartError, match="or put secret"):
        create_app(settings)
    assert not (settings.home / "secret.key").exists()


def test_a_lake_that_cannot_be_read_ends_the_process_with_its_reason(operator: Operator, tmp_path: Path) -> None:
    settings = home_of(operator, tmp_path)
    for path in (settings.home / "lakes").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StartError, match=r"the lake could not be loaded: .*\.parquet"):
        run(settings.model_copy(update={"port": 0}))


def _is_json(line: str) -> bool:
    return line.startswith("{")


def test_a_failed_load_is_logged_with_its_place_and_without_the_values_around_it(
    operator: Operator, tmp_path: Path
) -> None:
    settings = home_of(operator, tmp_path)
    shutil.copy(operator.settings.home / "mlflow.db", tmp_path / "models.db")
    settings = settings.model_copy(
        update={"tracking_uri": f"sqlite+pysqlite:///file:{tmp_path}/models.db?uri=true&password=hunter2"}
    )
    for path in (settings.home / "lakes").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    start = f"from pathlib import Path; import serving.run as r; r.run(r.Settings(home=Path({str(settings.home)!r}), "
    code = start + f"tracking_uri={settings.tracking_uri!r}, port=0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    (logged,) = [line for line in map(json.loads, filter(_is_json, done.stderr.splitlines())) if "exception" in line]
    assert done.stdout == ""
    assert logged["event"] == "getting ready failed"
    assert "load.py" in logged["exception"]
    assert ".parquet" in logged["exception"]
    assert "hunter2" not in done.stderr
    assert "locals" not in logged["exception"]
    assert len(logged["exception"].splitlines()) < 120


def test_the_log_tells_the_route_and_never_what_stood_in_the_address(operator: Operator, tmp_path: Path) -> None:
    settings = home_of(operator, tmp_path)
    known = {"X-API-Key": stored.add(settings.home, "ann", ["read"])[0]}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = f"from pathlib import Path; import serving.run as r; r.run(r.Settings(home=Path({str(settings.home)!r}), "
    code = start + f"tracking_uri={settings.models!r}, port={port}))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        connections = httpx.HTTPTransport(retries=8)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, transport=connections) as client:
            wait_until_ready(client)
            client.get("/healthz", params={"key": "email:ann@example.com"})
            client.get("/v1/decisions/+32471234567?key=email:ann@example.com")
            client.get("/people/ann")
            client.get("/people/ann", headers=known)
    finally:
        process.terminate()
        _, logged = process.communicate(timeout=120)
    lines = [line for line in logged.splitlines() if "request" in line]
    told = {(line.get("route"), line.get("status")) for line in map(json.loads, lines)}
    assert told >= {("/healthz", 200), ("(no route)", 404), ("(no route)", 401)}, logged
    assert not [name for name in ("ann@", "/ann", "people", "471234", "key=", "%3A") if name in logged]


def test_a_port_in_use_stops_the_start_before_anything_is_loaded_or_made(operator: Operator, tmp_path: Path) -> None:
    settings = home_of(operator, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*in use"):
            run(settings.model_copy(update={"port": port}))
    assert not (settings.home / "api_keys.json").exists()


def test_another_instant_changes_what_is_seen(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = datetime(2024, 12, 1, tzinfo=UTC)
    app = create_app(home_of(operator, tmp_path).model_copy(update={"as_of": start.isoformat()}))
    service_headers = {"X-API-Key": capsys.readouterr().err.split()[-1]}
    with running(app) as client:
        wait_until_ready(client)
        body = Service(operator, client, service_headers).ask(("customer", operator.active[0])).json()
    for cut in ("windows_end", "visible_to"):
        assert start <= datetime.fromisoformat(body["cuts"][cut]) < start + timedelta(minutes=5)
    assert body["churn"]["status"] == "not_applicable"


def test_two_homes_do_not_share_keys(operator: Operator, tmp_path: Path, service: Service) -> None:
    settings = home_of(operator, tmp_path)
    create_app(settings)
    ours, theirs = (json.loads((s.home / "api_keys.json").read_text()) for s in (settings, operator.settings))
    assert ours["keys"][0]["sha256"] != theirs["keys"][0]["sha256"]
    assert stat.S_IMODE((settings.home / "api_keys.json").stat().st_mode) == 0o600
