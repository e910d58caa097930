"""What the service logs: one line per event on stderr, and a traceback where something broke."""

import json
import logging
import sys
import time
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal

import structlog
from pydantic_core import PydanticSerializationError, to_json
from structlog.typing import EventDict, Processor

from serving.watch.ids import REQUEST_ID

Format = Literal["auto", "json", "console"]

logger = structlog.get_logger("serving")


def configure(form: Format = "auto") -> None:
    """Log to stderr, unless the process this runs in has configured structlog before.

    ``json``: one JSON object a line; ``console``: for people; ``auto``: for people if stderr is a terminal, else JSON.
    Tracebacks are plain ones: structlog's own show every local variable, among them passwords and whole tables.
    """
    if not structlog.is_configured():
        structlog.configure(
            processors=processors(form),
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=_ToStderr,
            cache_logger_on_first_use=True,
        )


def processors(form: Format) -> list[Processor]:
    """What makes a line of an event: level, time and the id of the request under way are added to every one."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    common: list[Processor] = [structlog.processors.add_log_level, _add_time, _add_request_id]
    if as_json:
        return [*common, _as_json]
    plain = structlog.dev.plain_traceback
    return [*common, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def uvicorn_config() -> dict[str, Any]:
    """What uvicorn takes as ``log_config``: its lines become ours, so that a traceback is one line of JSON too."""
    level = {"handlers": ["ours"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"ours": {"()": Forward}},
        "loggers": {"uvicorn": level},
    }


class Forward(logging.Handler):
    """Hands what is logged through `logging` to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record."""
        logger.log(record.levelno, record.getMessage().strip(), exc_info=record.exc_info)


class _ToStderr:
    """Writes to what stderr is at that moment: whoever captures it later gets the lines too."""

    def __init__(self, *names: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        with suppress(OSError):  # a log that has no room fails nobody's request
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = log = msg


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _add_time(log: Any, method: str, event: EventDict) -> EventDict:
    seconds, micros = divmod(time.time_ns() // 1000, 1_000_000)
    event["timestamp"] = f"{_second(seconds)}.{micros:06d}Z"
    return event


def _add_request_id(log: Any, method: str, event: EventDict) -> EventDict:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


def _as_json(log: Any, method: str, event: EventDict) -> str:
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(log, method, event)
    try:
        return to_json(event, fallback=str, inf_nan_mode="null").decode()
    except (PydanticSerializationError, ValueError):  # text that is not Unicode: escape it rather than lose the line
        return json.dumps(event, default=str)
