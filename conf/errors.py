"""Errors that end a stage, each with the exit code by which a scheduler knows whether a retry makes sense."""

from __future__ import annotations


class NboError(Exception):
    """A failure with a message written for the person who has to mend it."""

    exit_code = 1


class ConfigError(NboError):
    """The configuration or the command is wrong; a retry will not help."""

    exit_code = 2


class DataError(NboError):
    """An export or a table is not what its contract says; a retry will not help."""

    exit_code = 3


class LockedError(NboError):
    """Another process works on the same night."""

    exit_code = 4


class TransientError(NboError):
    """A connection or a process was lost; a retry with back-off may help (``EX_TEMPFAIL``)."""

    exit_code = 75
