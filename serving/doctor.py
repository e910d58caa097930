"""What `tieline doctor` looks at: everything a service needs, each with words and with what helps."""

import os
import shutil
import socket
import stat
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

from sqlalchemy import func, select

from features.identity.keys import SECRET_VARIABLE, SUPPRESSION_VARIABLE
from features.lake import Lake
from features.privacy.secrets import open_keyring
from features.workspace import Workspace, load_workspace
from models.nba.catalogue import Catalogue
from models.registry import shown as shown_models
from serving.access import stored
from serving.champion import CHURN, NEEDS, Source
from serving.live import schema
from serving.live.feeds import PATIENCE, Feeds
from serving.live.load import check
from serving.live.open import exists, open_store, shown, sqlite_path, waiting
from serving.live.store import Store
from serving.live.sync import unsynced
from serving.resources import read_actions
from serving.settings import Settings, instant

State = Literal["ok", "warn", "bad"]
_SYNCS = 20
_SLOW, _FULL, _TIGHT = 0.010, 1e9, 5e9
_LOG = 500_000_000
_SOON = timedelta(days=14)
_SKEW = 1_000_000
_DELIVERED_IN = 2.0
"""Seconds after which a service that runs has delivered what it has decided."""


@dataclass(frozen=True)
class Finding:
    """One line: about what, how it is, in words, and what helps where it is not well."""

    about: str
    state: State
    words: str
    help: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, as they are made. Changes nothing, but that it writes and removes a small file in the home."""
    try:
        workspace = load_workspace(settings.workspace)
    except Exception as error:
        yield Finding("workspace", "bad", str(error), "mend its catalog.py, or give another --workspace")
        return
    lake = Lake(workspace.lake_folder(settings.home))
    yield from _guarded("home", lambda: _home(settings.home))
    yield from _guarded("secret", lambda: _secret(settings.home, lake))
    yield from _guarded("lake", lambda: _lake(lake))
    yield from _guarded("live store", lambda: _live(settings, workspace, lake))
    yield from _guarded("undelivered decisions", lambda: _undelivered(settings, workspace))
    yield from _guarded("actions", lambda: _actions(settings, workspace))
    yield from _guarded("API keys", lambda: _keys(settings.home))
    yield from _guarded("disk", lambda: _disk(settings.home))
    yield from _guarded("port", lambda: _port(settings))


def _guarded(about: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds; what it stumbles over is a finding too."""
    try:
        yield from look()
    except Exception as error:
        yield Finding(about, "bad", str(error) or type(error).__name__)


def _home(home: Path) -> Iterator[Finding]:
    if not home.is_dir():
        yield Finding("home", "bad", f"{home} is not there", "run `tieline simulate` or `tieline ingest` first")
    elif not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("home", "bad", f"{home} may not be written to", "run as its owner, or change its permissions")
    elif home.stat().st_mode & stat.S_IWOTH:
        yield Finding("home", "warn", f"anybody may write to {home}", f"run `chmod o-w {home}`")
    else:
        yield Finding("home", "ok", str(home))


def _secret(home: Path, lake: Lake) -> Iterator[Finding]:
    given = [name for name in (SECRET_VARIABLE, SUPPRESSION_VARIABLE) if name in os.environ]
    files = {SECRET_VARIABLE: home / "secret.key", SUPPRESSION_VARIABLE: home / "suppression.key"}
    read = [path for name, path in files.items() if name not in given and path.is_file()]
    if not given and not read:
        yield Finding("secret", "warn", "there is none yet", "the first `tieline ingest` or `simulate` makes one")
        return
    if loose := [path for path in read if path.stat().st_mode & 0o077]:
        names = " ".join(map(str, loose))
        yield Finding("secret", "bad", f"others may read {names}", f"run `chmod 600 {names}`")
        return
    if lake.snapshot().version:
        ring = open_keyring(home, lake)
        yield Finding("secret", "ok", f"the one the lake was written with, generation {ring.generation}")
    else:
        yield Finding("secret", "ok", "there is one")


def _lake(lake: Lake) -> Iterator[Finding]:
    snapshot = lake.snapshot()
    if not snapshot.files:
        yield Finding("lake", "bad", f"{lake.root} is empty", "run `tieline simulate` or `tieline ingest`")
        return
    wrong = [
        file.path
        for file in snapshot.stored.values()
        if not (lake.root / file.path).is_file() or (lake.root / file.path).stat().st_size != file.size
    ]
    if wrong:
        words = f"{len(wrong)} files are missing or cut, the first is {wrong[0]}"
        yield Finding("lake", "bad", words, "restore them from a copy")
        return
    rows = sum(snapshot.stored[path].rows for paths in snapshot.files.values() for path in paths)
    merged = [name for name in snapshot.files if not snapshot.in_pieces(name)]
    help_ = "run `tieline compact`: reading is faster then" if merged else ""
    yield Finding("lake", "ok", f"version {snapshot.version}, {rows:,} rows of {len(snapshot.files)} sources", help_)


def _live(settings: Settings, workspace: Workspace, lake: Lake) -> Iterator[Finding]:
    url = settings.live(workspace.name)
    if not exists(url):
        yield Finding("live store", "warn", f"there is none at {shown(url)} yet", "run `tieline load`")
        return
    store = open_store(url)
    try:
        if check(store, lake, lake.snapshot()):
            yield Finding("live store", "bad", f"{shown(url)} was not filled to the end", "run `tieline load` again")
            return
        yield Finding("live store", "ok", f"{shown(url)}, tables of version {store.texts().get('version')}")
        yield from _filled(store, lake)
        yield from _log(url)
    finally:
        store.close()


def _filled(store: Store, lake: Lake) -> Iterator[Finding]:
    said = store.texts()
    with store.engine.connect() as core:
        last = core.execute(select(schema.CLOCK.c.stamp)).scalar_one()
        counts = {
            t: core.execute(select(func.count()).select_from(t)).scalar_one() for t in (schema.FACTS, schema.KEYS)
        }
        bare = [
            t.name
            for t in (schema.PACKED, schema.NAMES, schema.REACH)
            if core.execute(select(t).limit(1)).first() is None
        ]
    rows = f"{counts[schema.FACTS]:,} facts of {counts[schema.KEYS]:,} keys, the last of {_day(last)}"
    yield Finding("live store: rows", "ok", rows)
    if bare:
        words = f"nothing is cached in {', '.join(bare)}, so that first calls are slow"
        yield Finding(
            "live store: caches", "warn", words, "they fill by themselves; `tieline load --anew` fills them all"
        )
    skew = store.machine_clock() - time.time_ns() // 1000
    days = int(said.get("offset", 0)) / 86_400_000_000
    if abs(skew) > _SKEW:
        words = f"the store's machine is {skew / 1e6:+.1f} s off this one's clock"
        yield Finding("live store: clock", "warn", words, "set both by the same time server")
    else:
        yield Finding(
            "live store: clock", "ok", f"it is {_day(store.clock())} there, {days:+,.1f} days from this machine's"
        )
    if said.get("fingerprint") != lake.snapshot().fingerprint:
        yield Finding("live store: lake", "warn", "the lake has changed since it was filled", "run `tieline load`")
    if alone := unsynced(store):
        words = ", ".join(f"{count:,} {name}" for name, count in alone.items())
        yield Finding("live store: unsynced", "warn", f"in it alone: {words}", "run `tieline sync`, best every hour")
    with store.reading() as reading:
        silent = set(Feeds(int(said.get("patience", PATIENCE))).covered(reading).silent) - {"evidence"}
    if silent:
        words = f"nothing is heard of: {', '.join(sorted(silent))}; their windows are missing"
        yield Finding("live store: feeds", "warn", words, "see whether these systems still send events")


def _log(url: str) -> Iterator[Finding]:
    path = sqlite_path(url)
    log = path.with_name(path.name + "-wal") if path else None
    size = log.stat().st_size if log is not None and log.exists() else 0
    if size > _LOG:
        words = f"SQLite's write-ahead log has {size / 1e6:,.0f} MB"
        yield Finding("live store: log", "warn", words, "a reader may hold it: start `tieline serve` anew")


def _undelivered(settings: Settings, workspace: Workspace) -> Iterator[Finding]:
    spill = waiting(settings.live(workspace.name), settings.home, workspace.name)
    before = spill.heads()
    if before:
        time.sleep(_DELIVERED_IN)
    if before.items() & spill.heads().items():
        words = f"{spill.waiting} decisions wait for the live store"
        yield Finding("undelivered decisions", "warn", words, "a running `tieline serve` delivers them")
    else:
        yield Finding("undelivered decisions", "ok", "none")


def _actions(settings: Settings, workspace: Workspace) -> Iterator[Finding]:
    if workspace.actions_path is None:
        yield Finding(
            "actions", "bad", f"{workspace.folder} has no actions.yaml", "write one: see the docs on decisions"
        )
        return
    actions = read_actions(workspace.actions_path, workspace)
    yield Finding("actions", "ok", f"{len(actions.actions)} in {workspace.actions_path}")
    yield from _guarded("models", lambda: _models(settings, workspace, actions))


def _models(settings: Settings, workspace: Workspace, actions: Catalogue) -> Iterator[Finding]:
    path = Path(settings.models.removeprefix("sqlite:///"))
    if settings.models.startswith("sqlite:///") and not path.is_file():
        yield Finding("models", "bad", f"there is no model store at {path}", "run `tieline train churn` and `needs`")
        return
    source = Source(settings.models, workspace, actions)
    look = source.look()
    if missing := [name for name in (CHURN, NEEDS) if name not in look.champions]:
        words = f"no champion of {' and '.join(missing)} in {shown_models(settings.models)}"
        yield Finding("models", "bad", words, "run `tieline train` for each, and `tieline promote`")
        return
    source.load(look)
    said = ", ".join(f"{name} version {holder.version}" for name, holder in look.champions.items())
    yield Finding("models", "ok", f"{said}; their files are as they were registered")


def _keys(home: Path) -> Iterator[Finding]:
    keys, now = stored.read(home).keys, datetime.now(UTC)
    if not keys:
        yield Finding("API keys", "warn", "there is none yet", "the first `tieline serve` makes one")
        return
    deciding = [key for key in keys if "decide" in key.scopes and not key.expired(now)]
    expired = [key for key in keys if key.expired(now)]
    soon = [key for key in keys if key.expires and not key.expired(now) and key.expires - now < _SOON]
    if not deciding:
        yield Finding("API keys", "bad", "no key may decide", "run `tieline keys add NAME --scope decide`")
    if expired or soon:
        words = f"{len(expired)} of {len(keys)} are expired, {len(soon)} will be within {_SOON.days} days"
        yield Finding("API keys", "warn", words, "run `tieline keys list`, then `add` and `revoke`")
    elif deciding:
        yield Finding("API keys", "ok", f"{len(keys)}, {len(deciding)} of them may decide")


def _disk(home: Path) -> Iterator[Finding]:
    there = next(path for path in (home, *home.parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    state: State = "bad" if free < _FULL else "warn" if free < _TIGHT else "ok"
    yield Finding("disk", state, f"{free / 1e9:,.1f} GB are free", "" if state == "ok" else "make room")
    if os.access(there, os.W_OK):
        took = sync_time(there)
        slow = took > _SLOW
        help_ = "every decision waits for one: put the live store on a faster disk" if slow else ""
        words = f"a durable write takes {took * 1e6:,.0f} us (median of {_SYNCS})"
        yield Finding("disk: sync", "warn" if slow else "ok", words, help_)


def sync_time(folder: Path) -> float:
    """Median seconds of a write of 4 KiB and its fdatasync in a folder."""
    path, times = folder / f".{uuid4().hex}.tmp", []
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            os.write(handle, bytes(4096))
            os.fdatasync(handle)
            times.append(time.perf_counter() - began)
    finally:
        os.close(handle)
        path.unlink()
    return statistics.median(times)


def _port(settings: Settings) -> Iterator[Finding]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            words = f"{settings.host}:{settings.port} cannot be had ({error.strerror})"
            yield Finding("port", "warn", words, "a service may be running already; else give another --port")
            return
    yield Finding("port", "ok", f"{settings.host}:{settings.port} is free")


def _day(micros: int) -> str:
    return f"{instant(micros):%Y-%m-%d %H:%M:%S} UTC"
