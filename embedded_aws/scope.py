"""Scopes: what must end together in an execution. Imports the standard library only.

An execution, a Map state's iterations, a Map Run and each of its children are scopes, one within another. A thread
runs in the scope of the context it was started with, so that stopping a scope stops everything that was started below
it.
"""

import contextlib
import contextvars
from collections.abc import Iterator

STOPPED = "States.Aborted"
"""Error name, used inside the engine only, of a task that did not start because its scope was stopped."""


class Scope:
    """Part of an execution that can be stopped; `reason` is the failure that stopped it, if one did."""

    def __init__(self, parent: "Scope | None" = None) -> None:
        self._parent = parent
        self._stopped = False
        self.reason: Exception | None = None

    @property
    def stopped(self) -> bool:
        """Whether this scope or one around it has been stopped."""
        return self._stopped or (self._parent is not None and self._parent.stopped)

    def stop(self, reason: Exception | None = None) -> None:
        """Stop; the first reason given stays."""
        if not self._stopped:
            self.reason = reason
            self._stopped = True


_current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("scope", default=None)


def current_scope() -> Scope:
    """The scope that the calling thread works in."""
    return _current.get() or Scope()


@contextlib.contextmanager
def enter(scope: Scope) -> Iterator[Scope]:
    """Make a scope the current one within the block."""
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)
