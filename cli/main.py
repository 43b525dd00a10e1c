"""The `montecarlo` command: its parser, and what becomes of its errors. Each group of commands is a module beside it.

It deploys the project's own template and starts its own state machines; it never calls a handler itself.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from cli import CommandError, debug, embedded, estimate, package, run, runs
from cli.deployment import DeploymentError
from cli.execution import RunFailed
from embedded_aws.server import ServerError
from montecarlo.errors import MonteCarloError


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script. Exit status: 0 done, 1 the run failed, 2 the command was wrong, 130 interrupted."""
    options = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
        return 0
    except RunFailed as failed:
        print(f"\nThe run {failed.status}: {failed.error}\n{failed.cause}", file=sys.stderr)
        return 1
    except (CommandError, DeploymentError, ServerError, MonteCarloError) as error:
        print(f"montecarlo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmontecarlo: interrupted; everything that was started has been stopped.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line with all its commands."""
    made = argparse.ArgumentParser(prog="montecarlo", description="Monte Carlo simulation of loan portfolios.")
    commands = made.add_subparsers(title="commands", required=True)
    for group in (run, runs, estimate, embedded, debug, package):
        group.add_to(commands)
    return made


if __name__ == "__main__":
    sys.exit(main())
