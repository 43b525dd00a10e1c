"""Where a command works: on a stack in an account, or on the embedded AWS."""

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import PROJECT, CommandError
from cli.screen import say, typed, work_at

if TYPE_CHECKING:
    from cli.deployment import Stack

STATE = PROJECT / ".montecarlo"
"""Where `up` keeps its server's data, and where `run` puts a temporary one's."""

StackName = Annotated[
    str | None,
    typer.Option(
        "--stack", envvar="MONTECARLO_STACK", metavar="NAME", help="the stack to work on (default: the embedded AWS)"
    ),
]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="profile of the AWS credentials, with --stack")]
Region = Annotated[str | None, typer.Option(metavar="NAME", help="the stack's AWS Region, with --stack")]


@dataclass(frozen=True)
class Place:
    """A stack by its name in an account, or the embedded AWS."""

    stack: str | None = None
    profile: str | None = None
    region: str | None = None
    compute: str = "lambda"
    """What simulates on the embedded AWS; with workers it lives as long as the command. A stack has its own."""

    def __post_init__(self) -> None:
        if self.stack and self.compute != "lambda":
            raise CommandError("--compute is for the embedded AWS: what simulates in a stack was decided with it.")
        if not self.stack and (self.profile or self.region):
            raise CommandError("--profile and --region say where a stack is: give --stack NAME with them.")
        given = {"--stack": self.stack, "--profile": self.profile, "--region": self.region}
        work_at(" ".join(f"{option} {shlex.quote(value)}" for option, value in given.items() if value))

    def __str__(self) -> str:
        return f"the stack {self.stack}" if self.stack else "the embedded AWS"

    def find(self) -> "Stack":
        """The stack, deployed if it is the embedded AWS's and not there yet. Raises CommandError if there is none."""
        from cli.deployment import connect, deployed
        from embedded_aws import server

        if self.stack:
            return connect(self.stack, self.profile, self.region)
        running = server.find_running(STATE / "up")
        if running is None:
            raise CommandError(
                f"no embedded AWS is running: start one with `{typed('up')}`, which brings back what an earlier held;"
                " or name a stack with --stack."
            )
        return deployed(running)

    @property
    def is_strict(self) -> bool:
        """Whether permissions and quotas hold there: they do on AWS, and on the embedded AWS where it was told so."""
        from embedded_aws import server

        running = None if self.stack else server.find_running(STATE / "up")
        return running is None or running.strict

    @property
    def outlives_the_command(self) -> bool:
        """Whether a run goes on, and can be found again, once this command has ended."""
        from embedded_aws import server

        if self.compute != "lambda":
            return False
        return bool(self.stack) or server.find_running(STATE / "up") is not None

    @contextlib.contextmanager
    def find_or_start(self) -> Iterator["Stack"]:
        """The stack; without one, on an embedded AWS that lives only as long as this command."""
        from cli.deployment import deployed
        from embedded_aws import server

        if self.outlives_the_command:
            yield self.find()
            return
        STATE.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=STATE))
        say("Starting the embedded AWS ...")
        try:
            started = server.start(folder)
            try:
                yield deployed(started, self.compute)
            finally:
                started.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
