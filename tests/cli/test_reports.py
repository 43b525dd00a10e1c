"""The report as a file, as PDF, as pictures and as a link."""

import json
import urllib.parse
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.session import get_session

from cli import CommandError, browser, links, reports
from cli.deployment import Stack
from cli.main import main
from tests.memory_run import MemoryHost, generate, simulate

DRAWN = {"cases", "distribution", "exceedance", "convergence"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run, as they are downloaded."""
    host = MemoryHost()
    simulate(host, run="june", portfolio=generate(host, name="small", loans=300), scenarios=1_000)
    folder = tmp_path_factory.mktemp("results")
    for name in ("report.html", "result.json"):
        (folder / name).write_bytes(host.s3.objects[f"runs/june/{name}"])
    return folder


def no_browser(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(browser, "find", lambda: None)


needs_browser = pytest.mark.skipif(browser.find() is None, reason="there is no Chromium on this computer")


def test_a_report_is_copied_and_never_over_another_file(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "june.html"
    assert main(["report", str(out), "--out", str(target)]) == 0
    assert target.read_bytes() == (out / "report.html").read_bytes()
    assert main(["report", str(out), "--out", str(target)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_failed_run_has_a_report_of_why_it_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failure = {"run": "june", "error": "InvalidPortfolio", "cause": "7 of 8 rows <b> were rejected."}
    (tmp_path / "failure.json").write_text(json.dumps(failure))
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "why.html")]) == 0
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    ET.fromstring(page)
    assert "This run failed" in page
    assert "InvalidPortfolio." in page
    assert "7 of 8 rows &lt;b&gt; were rejected." in page
    for damaged, told in (
        ('{"run": 5}', "failure.json: run must be text, not a number."),
        ("[]", "failure.json: the whole must be an object, not a list."),
        ("null", "failure.json: the whole must be an object, not null."),
        ("{", "failure.json is not JSON."),
    ):
        (tmp_path / "failure.json").write_text(damaged)
        capsys.readouterr()
        assert main(["report", str(tmp_path), "--out", str(tmp_path / "again.html")]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert told in said
        assert "result.json" not in said
    (tmp_path / "failure.json").unlink()
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "again.html")]) == 2
    assert "holds no report" in capsys.readouterr().err


@needs_browser
def test_a_report_is_printed(out: Path, tmp_path: Path) -> None:
    assert main(["report", str(out), "--pdf", "--out", str(tmp_path / "june.pdf")]) == 0
    assert (tmp_path / "june.pdf").read_bytes().startswith(b"%PDF-")


def test_without_a_browser_it_is_said_what_to_do(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_browser(monkeypatch)
    assert main(["report", str(out), "--pdf", "--out", str(tmp_path / "june.pdf")]) == 2
    assert "there is no Chromium, Chrome or Edge on this computer. Install one, or" in capsys.readouterr().err
    assert main(["export", str(out), str(tmp_path / "charts"), "--charts"]) == 0
    assert "PNG was left out: there is no Chromium" in capsys.readouterr().err
    assert {path.stem for path in (tmp_path / "charts").iterdir()} == DRAWN
    for path in (tmp_path / "charts").iterdir():
        drawing = path.read_text(encoding="utf-8")
        assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in drawing, "other programs than browsers know no variables"
        assert ".bar.case0, .dot.case0 { fill: #0067a6; }" in drawing


@needs_browser
def test_charts_are_drawn_as_pixels(out: Path, tmp_path: Path) -> None:
    one = (out / "report.html").read_text(encoding="utf-8")
    drawn = one[: one.index("<figure>")] + one[one.index("<figure>") : one.index("</figure>") + 9] + "</section></main>"
    written, without = reports.write_charts(f"{drawn}</body></html>", tmp_path)
    assert [path.name for path in written] == ["cases.svg", "cases.png"]
    assert not without
    assert written[1].read_bytes().startswith(b"\x89PNG")


def test_what_is_no_report_has_no_charts(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "result.json").write_bytes((out / "result.json").read_bytes())
    for content in ("", "<p>", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'):
        (folder / "report.html").write_text(content)
        assert main(["export", str(folder), str(tmp_path / f"charts-{len(content)}"), "--charts"]) == 2
        assert "report.html is" in capsys.readouterr().err


def test_without_a_report_there_are_no_charts_and_no_folder(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "result.json").write_bytes((out / "result.json").read_bytes())
    assert main(["export", str(folder), str(tmp_path / "charts"), "--charts"]) == 2
    assert f"{folder / 'report.html'} cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "charts").exists()


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1_800), ("12h", 43_200), ("7d", 604_800), (" 1h ", 3_600)])
def test_times_of_links(text: str, seconds: int) -> None:
    assert reports.seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "12", "h", "0h", "8d", "169h", "-1h", "1.5h", "12 h", "1w", "9" * 99 + "m", "１h"]
)
def test_times_that_no_link_can_hold(text: str) -> None:
    with pytest.raises(CommandError, match="7d at most"):
        reports.seconds_of(text)


def stack(**credentials: Any) -> Stack:
    session = boto3.Session(region_name="eu-central-1", **credentials)
    return Stack(session, {"DataBucket": "data"})


OWN = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}


def test_links_are_signed_for_one_object_and_a_time() -> None:
    (link,) = links.signed(stack(**OWN), ["runs/june/report.html"], 43_200)
    parts = urllib.parse.urlsplit(link)
    told = dict(urllib.parse.parse_qsl(parts.query))
    assert parts.scheme == "https"
    assert parts.path.endswith("runs/june/report.html")
    assert told["X-Amz-Expires"] == "43200"
    assert told["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert "secret" not in link
    assert links.dies_early(stack(**OWN), 43_200) == ""


def test_links_of_a_session_say_that_they_die_with_it() -> None:
    there = stack(**OWN, aws_session_token="token")
    assert "however long they were asked for" in links.dies_early(there, 60)


@pytest.mark.parametrize(("asked", "early"), [(60, False), (43_200, True)])
def test_links_of_a_role_say_when_it_ends(asked: int, early: bool) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    raw = get_session()
    raw._credentials = RefreshableCredentials("key", "secret", "token", ends, dict, "assume-role")  # type: ignore[attr-defined]
    there = Stack(boto3.Session(botocore_session=raw, region_name="eu-central-1"), {"DataBucket": "data"})
    told = links.dies_early(there, asked)
    assert f"at {ends:%Y-%m-%d %H:%M} UTC" in told
    assert ("before the time" in told) is early


def test_without_credentials_nothing_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = stack(**OWN)
    monkeypatch.setattr(there.session, "get_credentials", lambda: None)
    with pytest.raises(CommandError, match="no credentials"):
        links.signed(there, ["x"], 60)
