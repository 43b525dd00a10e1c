"""The errors a run can end in. A class's name is the error's name in Step Functions, so the state machines can match
it.

Imports the standard library only.
"""

import json


class MonteCarloError(Exception):
    """Base of every error that this project raises on purpose."""


class InvalidInput(MonteCarloError):
    """The run's request, its parameters or its mapping cannot be used. Never retried."""


class InvalidPortfolio(MonteCarloError):
    """The portfolio cannot be used: missing, unreadable, empty, or with too many bad rows. Never retried."""


class IncompleteRun(MonteCarloError):
    """A planned chunk is missing, twice there, or does not add up, so nothing is published. Never retried."""


class InvalidResult(MonteCarloError):
    """A result.json is damaged or of another schema, so it cannot be shown. Never retried."""


class RunTaken(MonteCarloError):
    """Another execution has planned a run, or a portfolio, of this name otherwise. Never retried."""


class SlowDown(MonteCarloError):
    """Storage asked for a pause or failed in passing. Retried with backoff."""


class NoCapacity(MonteCarloError):
    """No worker was at work on the run for too long. Starting the run again goes on with it."""


def message_of_cause(cause: str) -> str:
    """What a failed function said, where the cause of an execution's failure is its error; else the cause as it is."""
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause


def checked_text(value: object, where: str) -> str:
    """The value, if it is a text that can be written in UTF-8. Raises InvalidInput, which begins with `where`.

    JSON may hold half a character ("\\ud800"), which no file, key or response can.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{where} must be a text, not {shown(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{where} has half a character (a lone surrogate): {shown(value)}.") from None
    return value


def shown(value: object) -> str:
    """A value of a request, a mapping or a manifest as an error shows it: short, and never an error of its own."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; endless nesting
        text = f"a {type(value).__name__} too large to show"
    text = text.encode("utf-8", "backslashreplace").decode()  # JSON may hold half a character
    return text if len(text) <= 80 else f"{text[:77]}..."
