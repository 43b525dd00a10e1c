"""The command as a whole: what it waits for before it begins, its version, its help."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import main, parser
from cli.options import named
from montecarlo import __version__

SLOW = {"boto3", "botocore", "numpy", "pyarrow", "duckdb", "xlsxwriter", "samtranslator", "yaml", "rich.progress"}


def test_help_waits_for_no_library_that_it_has_no_use_for() -> None:
    code = "import sys; from cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Simulate a portfolio" in done.stdout
    assert not SLOW & set(done.stderr.split())


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"montecarlo {__version__}\n"


@pytest.mark.parametrize("name", sorted(parser().commands))
def test_every_command_and_option_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert name in capsys.readouterr().out
    command = parser().commands[name]
    assert (command.help or "").endswith(".")
    assert all(getattr(option, "help", None) for option in command.params), "every option says what it is for"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    printed = capsys.readouterr()
    assert "Commands" in printed.out + printed.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 0), (["estimate", "--loans", "1e6"], 0), (["init", "loans.csv"], 0), (["estimate", "--loans"], 2)],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_stream_that_the_shell_has_closed_is_as_dev_null(
    tmp_path: Path, closed: str, arguments: list[str], status: int
) -> None:
    header = "AccountID,Segment,Exposure,Rate,Months,GrossIncome,PD"
    (tmp_path / "loans.csv").write_text(f"{header}\n1,personal,1000,5,36,50000,0.02\n")
    code = "import sys; from cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert ">&-" not in closed or closed.startswith("2") or done.stdout == ""


def test_what_was_given_is_quoted_as_it_was_where_fields_are_called_by_their_options() -> None:
    options = {"scenarios_from": "--scenarios-from", "fed_rate": "--fed-rate"}
    said = 'scenarios_from: it differs in a ({"fed_rate": 6.0}, not null). Leave scenarios_from or fed_rate out.'
    assert named(said, options) == (
        '--scenarios-from: it differs in a ({"fed_rate": 6.0}, not null). Leave --scenarios-from or --fed-rate out.'
    )
