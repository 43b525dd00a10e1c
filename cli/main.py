"""The `montecarlo` command: what it is made of, and what becomes of its errors.

Each group of commands is a module beside this one. Those modules import what they need when a command is carried out,
not before: `montecarlo --help` shall not wait for libraries that it has no use for.
"""

import os
import sys
from collections.abc import Sequence
from functools import cache

import typer
import typer.core

from cli import (
    CommandError,
    RunFailed,
    accept,
    analysis,
    calibrate,
    check,
    combine,
    compare,
    contributions,
    debug,
    doctor,
    embedded,
    estimate,
    init,
    package,
    price,
    reports,
    reverse_stress,
    run,
    runs,
    slice,
    verify,
    what_if,
)
from cli.options import named, spread
from cli.screen import be_quiet, program, warn, work_at
from montecarlo import __version__
from montecarlo.errors import InvalidInput, MonteCarloError

DONE, FAILED, WRONG, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141
"""Exit statuses: done; the run failed; the command cannot be carried out; Ctrl-C; nobody reads the output any more."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, context_settings={"max_content_width": 120})
for group in (
    run,
    runs,
    reports,
    init,
    check,
    analysis,
    combine,
    what_if,
    compare,
    price,
    verify,
    slice,
    contributions,
    reverse_stress,
    calibrate,
    estimate,
    doctor,
    accept,
    embedded,
    debug,
    package,
):
    group.add_to(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"montecarlo {__version__}")
        raise typer.Exit


@app.callback()
def everything(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="show the version and end"),
) -> None:
    """Monte Carlo simulation of loan portfolios."""


@cache
def parser() -> typer.core.TyperGroup:
    """The command line with all its commands and their parameters."""
    made = typer.main.get_command(app)
    assert isinstance(made, typer.core.TyperGroup)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit status; whatever goes wrong ends in a message that says what to do."""
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # what the screen cannot draw is shown as ?
    be_quiet(False)
    work_at("")
    given = spread(sys.argv[1:] if arguments is None else arguments)
    try:
        status = parser().main(given, program(), standalone_mode=False)
        sys.stdout.flush()
        if status == INTERRUPTED:  # how Typer tells of Ctrl-C
            raise KeyboardInterrupt
        return status or DONE
    except RunFailed as failed:
        return _ended(FAILED, f"\n{failed.in_words()}")
    except typer.TyperException as error:
        return _ended(WRONG, f"montecarlo: {_usage(error)}")
    except InvalidInput as error:
        return _ended(WRONG, f"montecarlo: {named(str(error), _options(given))}")
    except (CommandError, MonteCarloError) as error:
        return _ended(WRONG, f"montecarlo: {error}")
    except (KeyboardInterrupt, typer.Abort):
        return _ended(INTERRUPTED, "\nmontecarlo: interrupted.")
    except BrokenPipeError:
        return _unread()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # as Typer hands it on
            return _unread()
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        way = "Remove it" if isinstance(error, (FileExistsError, NotADirectoryError)) else "Free space"
        return _ended(WRONG, f"montecarlo: {place}{error.strerror or error}. {way} or choose another place.")
    except Exception as error:
        if (told := _of_server(error) or _of_aws(error)) is None:
            raise  # a defect, whose traceback is what its report needs
        return _ended(WRONG, f"montecarlo: {told}")


def _replace_closed_streams() -> None:
    """Let a stream that the shell has closed, such as with `>&-`, be as /dev/null; Python has None for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # that of the closed stream, so that no other file gets it
            os.set_inheritable(number, True)  # and so that no process started from here lacks it
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _ended(status: int, text: str) -> int:
    warn(text)
    return status


def _unread() -> int:
    """Nobody reads the output any more; Python flushes it once more at its end, and that shall not fail either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


def _options(given: Sequence[str]) -> dict[str, str]:
    """The options of the command that was given, by their parameters."""
    command = parser().commands.get(next((text for text in given if not text.startswith("-")), ""))
    parameters = command.params if command else []
    return {each.name: each.opts[0] for each in parameters if each.name and each.opts[0].startswith("--")}


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command line, and where its help is."""
    context = getattr(error, "ctx", None)
    text = error.format_message().strip()
    if not text:  # no command was given, and the help has been shown
        return "name a command."
    return (text if text[-1] in ".?!" else f"{text}.") + (f" See {context.command_path} --help." if context else "")


def _of_server(error: Exception) -> str | None:
    """An error of the embedded AWS's server in words, None for any other."""
    from embedded_aws.server import ServerError

    return str(error) if isinstance(error, ServerError) else None


def _of_aws(error: Exception) -> str | None:
    """An error of AWS's library in words, None for any other."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        code, message = told.get("Code", "unknown"), told.get("Message", "")
        way = _WAYS_OUT.get(code, "")
        return f"AWS refused {error.operation_name} with {code}: {message}. {way}".rstrip()
    if isinstance(error, BotoCoreError):
        return f"AWS cannot be spoken to: {error}. Check --profile, --region and your network."
    return None


_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")
_WAYS_OUT = {
    **dict.fromkeys(_EXPIRED, "Sign in anew, with `aws sso login` or fresh keys."),
    **dict.fromkeys(("AccessDenied", "AccessDeniedException", "403"), "Ask for a permission to do that."),
    **dict.fromkeys(("ThrottlingException", "Throttling", "SlowDown"), "Wait a minute and try again."),
    "ExecutionAlreadyExists": "A run of this name was started before: choose another with --name, or resume it.",
    "NoSuchBucket": "The stack's bucket has gone: deploy the stack again.",
}


if __name__ == "__main__":
    sys.exit(main())
