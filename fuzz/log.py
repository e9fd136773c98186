"""The log: what the program does, on standard error, in words or as JSON; never mixed into its answers."""

from __future__ import annotations

import logging
from typing import Final, TextIO

import structlog

__all__ = ["LEVELS", "configure"]

LEVELS: Final = ("debug", "info", "warning", "error")


def configure(stream: TextIO, level: str = "warning", *, as_json: bool = False) -> None:
    """Say where the log goes; call it once, before anything is logged.

    Args:
        stream: standard error, or what stands in for it.
        level: the least important level that is shown, one of :data:`LEVELS`.
        as_json: one JSON object a line, for machines.
    """
    render = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,  # tests configure it more than once
    )
