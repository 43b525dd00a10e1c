"""Any command line and any file end in a clean exit or in an error that names what is wrong: never in a traceback."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cli import CommandError, main, place, screen
from cli.main import parser
from embedded_aws import server

ENDS = {main.DONE, main.WRONG}


@pytest.fixture(scope="module", autouse=True)
def nothing_starts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands get as far as the AWS that they would work on."""

    def none(*_: Any, **__: Any) -> Any:
        raise CommandError("no AWS in this test.")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        patch.setattr(place, "STATE", tmp_path_factory.mktemp("state"))
        patch.setattr(place.Place, "find", none)
        patch.setattr(place.Place, "find_or_start", none)
        patch.setattr(server, "start", none)
        patch.delenv("MONTECARLO_STACK", raising=False)
        patch.setattr("publishing.package.stage", none)
        patch.setattr("cli.readiness.session", none)
        yield


def ended(*arguments: str) -> tuple[int, str]:
    """The exit status of a command line, and all that it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = main.main(arguments)
    assert "Traceback" not in printed.getvalue()
    return status, printed.getvalue()


OPTIONS = sorted({text for made in parser().commands.values() for option in made.params for text in option.opts})
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["nan", "inf", "-inf", "1e400", "1e999999999", "-1", "0", "8", "1_000", "٣", "1,5", "", "-", "--"]),
    st.sampled_from([".", "/dev/null", "/dev/full", "/dev/zero", "/proc/self/mem", "nul\0l", "\udcff", "x" * 5_000]),
    st.sampled_from(["\x1b[2J", "\u202e", "\r\n", "'", "$(x)", "@x", "base1/../../x"]),
    st.integers().map(str),
    st.floats().map(str),
)


@given(st.lists(st.one_of(st.sampled_from([*parser().commands, *OPTIONS]), TEXTS), max_size=6))
@settings(max_examples=500, suppress_health_check=list(HealthCheck))
def test_any_command_line_ends_cleanly(arguments: list[str]) -> None:
    status, printed = ended(*arguments)
    assert status in ENDS
    assert status == main.DONE or printed.strip()


@given(st.sampled_from(sorted(parser().commands)), st.data())
@settings(max_examples=500, suppress_health_check=list(HealthCheck))
def test_any_value_of_any_option_ends_cleanly(name: str, data: st.DataObject) -> None:
    command = parser().commands[name]
    arguments = [name]
    for option in command.params:
        if option.opts[0].startswith("-"):
            if option.name != "help" and data.draw(st.booleans()):
                arguments += (
                    [option.opts[0]] if getattr(option, "is_flag", False) else [option.opts[0], data.draw(TEXTS)]
                )
        else:
            arguments.append(data.draw(TEXTS))
    status, printed = ended(*arguments)
    assert status in ENDS
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert status == main.DONE or len(printed.strip().splitlines()) <= 3, printed


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(10**400), st.just("1e400")
)
KEYS = st.sampled_from(
    [
        *("columns", "AccountID", "Rate", "PD", "from", "constant", "row_number", "scale", "format", "values", "add"),
        *("fed_rate", "probit_shift", "personal", "auto", "severe", "base", "segments", "lgd", "value", "source"),
        *("base_fed_rate", "global_factor_share", "scorecard", "asset_correlation", "dialect", "files"),
        *("sector", "sector_correlations", "benchmark_rate", "dimensions", "region"),
    ]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
BYTES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=30),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"9" * 5_000, b'"\\ud800"', b"{}", b"[]"]),
)


@given(st.sampled_from(["--mapping", "--parameters", "--cases"]), BYTES)
@example("--parameters", b'{"segments": {"auto": {"value": 5}}}')
@example("--parameters", b'{"value": 5}')
@example("--cases", b'{"severe": {"fed_rate": 1e400}}')
@settings(max_examples=500, suppress_health_check=list(HealthCheck))
def test_any_content_of_any_file_ends_cleanly(option: str, content: bytes) -> None:
    Path("given.json").write_bytes(content)
    status, printed = ended("run", option, "given.json", "--loans", "10")
    assert status == main.WRONG  # no AWS in this test, if nothing else is wrong
    assert printed.startswith("montecarlo: ")


@given(BYTES)
@settings(max_examples=1_000, suppress_health_check=list(HealthCheck))
def test_any_event_ends_cleanly(content: bytes) -> None:
    Path("event.json").write_bytes(content)
    assert ended("invoke", "Plan", "event.json")[0] == main.WRONG


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["estimate", "--loans", "nan"], "'nan' is no whole number"),
        (["estimate", "--loans", "0"], "--loans is 0, but must be"),
        (["estimate", "--loans", "1e9", "--chunk-loans", "0"], "--chunk-loans is 0, but must be"),
        (["estimate", "--loans", "1e9", "--memory", "1"], "--memory is 1, but must be"),
        (["estimate", "--loans", "5", "--json", "."], ". is a folder: name a file"),
        (["estimate", "--loans", "1e30"], "'1e30' is too large"),
        (["accept", "--to", "none/seen.json"], "there is no folder none"),
        (["verify", "run", "--record", "file/record.json"], "there is no folder file"),
        (["reverse-stress", "run", "--page", "none/page.html"], "there is no folder none"),
        (["slice", "run", "--losses", "none/losses.parquet"], "there is no folder none"),
        (["price", "run", "loans.csv", "--json", "none/quotes.json"], "there is no folder none"),
        (["contributions", "run", "--loans", "none/loans.parquet"], "there is no folder none"),
        (["estimate", "--portfolio", "none.csv"], "there is no portfolio at none.csv"),
        (["estimate", "--loans", "5", "--region", "mars-1"], "--region is mars-1, but there is no such Region"),
        (["estimate"], "give --loans or --portfolio"),
        (["run", "--loans", "ten"], "'ten' is no whole number such as"),
        (["run", "--loans", "10.000"], "'10.000' is no whole number such as"),
        (["run", "--loans", "5", "--portfolio", "x.csv"], "not both"),
        (["run", "--portfolio", ""], "the portfolio's name is empty"),
        (["check", ""], "the portfolio's name is empty"),
        (["estimate", "--portfolio", ""], "the portfolio's name is empty"),
        (["run", "--name", "a/../b"], "--name must be 1 to 80 letters"),
        (["run", "--out", "file"], "file is a file"),
        (["run", "--mapping", "none.json"], "the mapping file none.json cannot be read as JSON: No such file or dir"),
        (["run", "--mapping", "latin1.json"], "latin1.json cannot be read as JSON"),
        (["run", "--as-of", "31.12.2025"], "--as-of must be a date"),
        (["check", "x.csv", "--as-of", "31.12.2025"], "--as-of must be a date"),
        (["run", "--target-error", "5"], "--target-error is 5"),
        (["run", "--concurrency", "0"], "--concurrency is 0"),
        (["run", "--seed", "-1"], "montecarlo: --seed is -1"),
        (["run", "--portfolio-seed", "-1"], "montecarlo: --portfolio-seed is -1"),
        (["run", "--book", "x"], "--book must be retail or commercial"),
        (
            ["run", "--reuse", "june"],
            "--reuse names a run that is done, and an embedded AWS of this command's own has none",
        ),
        (["run", "--scenarios-from", "june", "--target-error", "0.1"], "and no more: leave --target-error out"),
        (["run", "--cases", "wide.json"], "montecarlo: cases.wide.fed_rate is 99"),
        (["run", "--cases", "odd.json"], "montecarlo: cases.odd may have fed_rate, probit_shift, collateral_shift and"),
        (["run", "--fed-rate", "8", "8.0"], "has a rate twice"),
        (["run", "--fed-rate", *map(str, range(17))], "--fed-rate has 17 rates, but a run has at most 16 cases"),
        (["resume", "../x"], "no run can be called '../x'"),
        (["cancel", "x\x1b[2J"], "no run can be called"),
        (["rnu"], "Did you mean 'run'"),
        (["run", "--lons", "5"], "--loans"),
        (["up", "--port", "0"], "--port is 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], message: str) -> None:
    Path("file").write_text("x")
    Path("wide.json").write_text('{"wide": {"fed_rate": 99}}')
    Path("odd.json").write_text('{"odd": {"rate": 9}}')
    Path("latin1.json").write_bytes('{"columns": "ä"}'.encode("latin-1"))
    status, printed = ended(*arguments)
    assert status == main.WRONG
    assert message in printed
    assert len(printed.strip().splitlines()) == 1


def test_several_rates_follow_one_option() -> None:
    with pytest.MonkeyPatch.context() as patch:
        seen: list[Any] = []

        def cases(rates: list[float], file: Path | None) -> dict[str, Any]:
            seen.append(rates)
            return {}

        patch.setattr("cli.request.cases", cases)
        ended("run", "--fed-rate", "6", "-1", "8.5", "--fed-rate", "9", "--seed", "3")
    assert seen == [[6.0, -1.0, 8.5, 9.0]]


@settings(max_examples=500)
@given(st.text())
def test_nothing_printed_steers_the_terminal(text: str) -> None:
    shown = screen.printable(text)
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert len(shown) == len(text)


# ---------------------------------------------------------------------------------------------------------------------
# Screens, pipes and disks, in processes of their own


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        check=False,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **options.pop("env", {})},
        **options,
    )


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = command("estimate", "--loans", "1e9", stdout=pipe)
    assert (done.returncode, done.stderr) == (main.UNREAD, b"")


def test_a_disk_that_is_full_is_named() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with Path("/dev/full").open("wb") as full:
        done = command("estimate", "--loans", "1e9", stdout=full)
    assert done.returncode == main.WRONG
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_screen_of_ascii_shows_what_it_can() -> None:
    done = command(
        *("estimate", "--loans", "ä"), stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert done.returncode == main.WRONG
    assert b"is no whole number" in done.stderr
