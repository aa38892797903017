"""What happens in a node in, lines of JSON out: numbers, states and UIDs, nothing of a patient."""

from __future__ import annotations

import logging
import sys
import warnings
from datetime import UTC, datetime
from io import TextIOBase

from pythonjsonlogger.json import JsonFormatter

LOG = logging.getLogger("wetread.node")
"""A line is an event in two or three words; what it is about goes into `extra`."""

_QUIET = ("pynetdicom", "uvicorn", "uvicorn.access", "uvicorn.error", "alembic", "pydicom")
"""Libraries whose messages may quote a data set or an address: their errors come as our events."""


def start_logs(stream: TextIOBase | None = None, level: int = logging.INFO) -> None:
    """Write our events to a stream, standard error by default, as a line of JSON each."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter("%(message)s", rename_fields=_NAMES))
    LOG.handlers = [handler]
    LOG.setLevel(level)
    LOG.propagate = False
    warnings.simplefilter("ignore")  # pydicom's quote the value that they are about
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


_NAMES = {"message": "event"}


class _Formatter(JsonFormatter):
    """Adds the time in UTC and the level; an exception is its class and place, not its values."""

    def add_fields(
        self,
        log_data: dict[str, object],
        record: logging.LogRecord,
        message_dict: dict[str, object],
    ) -> None:
        if record.exc_info and record.exc_info[0]:
            log_data["error"] = record.exc_info[0].__name__
            log_data["at"] = _place(record)
            record.exc_info = record.exc_text = None
            message_dict.pop("exc_info", None)
        moment = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        log_data["level"] = record.levelname.lower()
        super().add_fields(log_data, record, message_dict)


def _place(record: logging.LogRecord) -> str:
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/wetread/', 1)[-1]}:{trace.tb_lineno}"
