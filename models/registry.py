"""Which model answers: registered versions and their aliases, kept in an MLflow store.

The `CHAMPION` answers, the `CHALLENGER` waits to be judged or promoted, `PREVIOUS` is who answered before, and
with the `REFERENCE`, which is frozen, nobody may fall behind it by small steps. Every change
of an alias leaves an entry on the version it was given to: a tag ``audit.<when>`` with who, why, from and to, written
before the alias changes, so that a change that broke off is in the books and none is missing from them.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from models import bundle

CHAMPION, CHALLENGER, PREVIOUS, REFERENCE = "champion", "challenger", "previous", "reference"
VERDICT = "verdict"
"""The tag of a version that says what the gate found."""
_MODEL_ID, _AUDIT = "model_id", "audit."
_PATIENCE = 5
"""Seconds a database may take to accept a connection before it counts as not reachable."""


def visitors_name(name: str) -> str:
    """What the model of those without a name is registered as, beside the model ``name``."""
    return f"{name}.visitors"


class RegistryError(RuntimeError):
    """The store cannot give or take a model; the message says which, where and what to do."""


class Champion(NamedTuple):
    """The version that answers and the local folder of its bundle."""

    version: int
    path: Path


class Holder(NamedTuple):
    """The version an alias stands for and the id its bundle was registered with."""

    version: int
    model_id: str


@dataclass(frozen=True)
class AuditEntry:
    """One change of an alias: ``before`` and ``after`` are version numbers, ``when`` is UTC, ISO 8601."""

    alias: str
    when: str
    who: str
    before: int | None
    after: int
    why: str


@dataclass(frozen=True)
class Version:
    """A registered version: its run, the aliases it has, when it was made (UTC, ISO 8601) and its verdict, if any."""

    number: int
    run_id: str
    aliases: tuple[str, ...]
    made: str
    verdict: str
    model_id: str


class Registry:
    """Registered models in the MLflow store at ``uri``."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        quiet()
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def register(self, name: str, run_id: str, bundle_uri: str, *, model_id: str, description: str, who: str) -> int:
        """The version number given to the bundle a run has logged at ``bundle_uri``.

        The first version of a name becomes its champion, if it has none; a later one is its challenger.
        """
        with speaking(self.uri):
            with already_there():
                self._client.create_registered_model(name)
            version = self._client.create_model_version(
                name, bundle_uri, run_id=run_id, tags={_MODEL_ID: model_id}, description=description
            )
            number = int(version.version)
            if CHAMPION not in self._aliases(name):
                self.promote(name, number, who=who, why="the first version")
            else:
                self._give(name, CHALLENGER, number, who, "the newest version")
        return number

    def promote(self, name: str, version: int, *, who: str, why: str) -> AuditEntry:
        """Make ``version`` the champion; returns the entry left on it.

        Whoever was it is `PREVIOUS` then, and a challenger that was promoted is none any more. At whatever step this
        breaks off there is a champion, and asking again finishes it.
        """
        before = self._aliases(name).get(CHAMPION)
        entry = self._give(name, CHAMPION, version, who, why)
        if before is not None and before != version:
            self._give(name, PREVIOUS, before, who, f"version {version} answers now")
        if self._aliases(name).get(CHALLENGER) == version:
            self._client.delete_registered_model_alias(name, CHALLENGER)
        return entry

    def freeze(self, name: str, version: int, *, who: str, why: str) -> AuditEntry:
        """Make ``version`` the reference every later one is judged beside; returns the entry left on it."""
        return self._give(name, REFERENCE, version, who, why)

    def reference(self, name: str) -> Champion | None:
        """The frozen reference and where its bundle lies, if there is one."""
        version = self._aliases(name).get(REFERENCE)
        return None if version is None else Champion(version, self.files(name, version))

    def roll_back(self, name: str, *, who: str, why: str) -> AuditEntry:
        """Make the previous champion the champion again. Raises `RegistryError` where there is none."""
        before = self._aliases(name).get(PREVIOUS)
        if before is None:
            raise RegistryError(f"'{name}' has no previous champion in {shown(self.uri)}: nothing to go back to")
        return self.promote(name, before, who=who, why=why)

    def versions(self, name: str) -> list[Version]:
        """All versions, newest first. Raises `RegistryError` for a name that is not registered."""
        with speaking(self.uri):
            aliases = self._aliases(name, known=True)
            found = self._client.search_model_versions(f"name = '{name}'")
        return sorted(
            (
                Version(
                    int(m.version),
                    m.run_id,
                    tuple(sorted(alias for alias, number in aliases.items() if number == int(m.version))),
                    datetime.fromtimestamp(m.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
                    m.tags.get(VERDICT, ""),
                    m.tags.get(_MODEL_ID, ""),
                )
                for m in found
            ),
            key=lambda version: -version.number,
        )

    def figures(self, version: Version) -> dict[str, float]:
        """The metrics of the run a version comes from; none where the run is gone."""
        try:
            return dict(self._client.get_run(version.run_id).data.metrics)
        except MlflowException as error:
            if _code(error) != RESOURCE_DOES_NOT_EXIST:
                raise
            return {}

    def names(self) -> list[str]:
        """The names of all registered models."""
        with speaking(self.uri):
            return sorted(model.name for model in self._client.search_registered_models())

    def judge(self, name: str, version: int, verdict: str) -> None:
        """Leave a verdict on a version."""
        with speaking(self.uri):
            self._client.set_model_version_tag(name, str(version), VERDICT, verdict)

    def champion(self, name: str) -> Champion:
        """The version that answers for ``name`` and where its bundle lies, once its id is found as registered."""
        version = self._aliases(name).get(CHAMPION)
        if version is None:
            raise RegistryError(f"no champion for '{name}' in {shown(self.uri)}: run `tieline train {name}` first")
        return Champion(version, self.files(name, version))

    def holder(self, name: str, alias: str) -> Holder | None:
        """Which version has an alias, in one call; ``None`` where the name is not registered or nobody has it."""
        try:
            with speaking(self.uri):
                found = self._client.get_model_version_by_alias(name, alias)
        except RegistryError as error:
            if _code(error.__cause__) not in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE):
                raise
            return None
        return Holder(int(found.version), found.tags.get(_MODEL_ID, ""))

    @contextmanager
    def opened(self, name: str, version: int) -> Iterator[Path]:
        """The folder of a version's bundle as `files` gives it; what has to be downloaded is removed afterwards."""
        with TemporaryDirectory(prefix="tieline-") as folder, speaking(self.uri):
            yield self.files(name, version, Path(folder))

    def files(self, name: str, version: int, into: Path | None = None) -> Path:
        """Where the bundle of a version lies, once its id is found as registered.

        A bundle that does not lie on this machine is downloaded ``into`` a folder (by default a temporary one, which
        stays).
        """
        registered = self._client.get_model_version(name, str(version))
        uri = self._client.get_model_version_download_uri(name, str(version))
        place = None if into is None or urlsplit(uri).scheme in ("", "file") else str(into)
        try:
            path = Path(
                download_artifacts(artifact_uri=uri, dst_path=place, tracking_uri=self.uri, registry_uri=self.uri)
            )
        except (MlflowException, OSError) as error:
            raise RegistryError(f"the files of '{name}' version {version} are gone from {uri}: {error}") from None
        if bundle.digest(path) != registered.tags.get(_MODEL_ID):
            raise RegistryError(f"{path} is not what was registered as '{name}' version {version}: its id differs")
        return path

    def answers(self, name: str) -> bool:
        """Whether a model of that name is registered and has a champion."""
        return CHAMPION in self._aliases(name)

    def audit(self, name: str) -> list[AuditEntry]:
        """Every change of the aliases of a model, oldest first."""
        versions = self._client.search_model_versions(f"name = '{name}'")
        found = [AuditEntry(**json.loads(v)) for m in versions for k, v in m.tags.items() if k.startswith(_AUDIT)]
        return sorted(found, key=lambda entry: entry.when)

    def _give(self, name: str, alias: str, version: int, who: str, why: str) -> AuditEntry:
        when = datetime.now(UTC)
        before = self._aliases(name).get(alias)
        entry = AuditEntry(alias, when.isoformat(timespec="microseconds"), who, before, version, why)
        try:
            self._client.set_model_version_tag(
                name, str(version), f"{_AUDIT}{when:%Y%m%dT%H%M%S.%fZ}", json.dumps(asdict(entry))
            )
        except MlflowException as error:
            raise RegistryError(f"'{name}' has no version {version} in {shown(self.uri)}: {error.message}") from None
        self._client.set_registered_model_alias(name, alias, str(version))
        return entry

    def _aliases(self, name: str, *, known: bool = False) -> dict[str, int]:
        """Alias -> version; none where the name is not registered, which is an error where it must be ``known``."""
        try:
            with speaking(self.uri):
                aliases = self._client.get_registered_model(name).aliases
        except RegistryError as error:
            if known or _code(error.__cause__) != RESOURCE_DOES_NOT_EXIST:
                raise
            return {}
        return {alias: int(version) for alias, version in aliases.items()}


def reach(uri: str) -> None:
    """Raises `RegistryError` where there is no store at ``uri`` or its database takes no connection within seconds.

    MLflow itself makes a SQLite file that is not there, and tries a database that is down again for minutes.
    """
    if not urlsplit(uri).scheme.startswith(("sqlite", "postgresql", "mysql", "mssql")):
        return
    url = make_url(uri)
    if url.get_backend_name() == "sqlite":
        file = url.database and Path(urlsplit(url.database).path)
        if file and url.query.get("mode") != "memory" and not file.is_file():
            raise RegistryError(f"there is no model store at {file}")
        return
    waiting = {"connect_timeout": _PATIENCE} if url.get_backend_name() in ("postgresql", "mysql") else {}
    with speaking(uri):
        engine = create_engine(url, poolclass=NullPool, connect_args=waiting)
        engine.connect().close()


def quiet() -> None:
    """Keep the messages of database migrations off the terminal, and the tracebacks of errors we raise in words."""
    for name in ("alembic", "mlflow.store.model_registry"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@contextmanager
def speaking(uri: str) -> Iterator[None]:
    """Whatever the store at ``uri`` refuses inside becomes a `RegistryError` that names it, without passwords."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise RegistryError(f"the model store {shown(uri)} refuses: {shown(str(error))}") from error


@contextmanager
def already_there() -> Iterator[None]:
    """Making what somebody else has just made is a success."""
    try:
        yield
    except MlflowException as error:
        if _code(error) != RESOURCE_ALREADY_EXISTS:
            raise


def shown(text: str) -> str:
    """A text without the passwords of the addresses in it."""
    text = re.sub(r"(://[^/@\s:]*):[^/@\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)([?&;\s](?:password|passwd|pwd|sslpassword|token)=)[^&;\s]+", r"\1***", text)


def _code(error: BaseException | None) -> int | None:
    return ErrorCode.Value(error.error_code) if isinstance(error, MlflowException) else None
