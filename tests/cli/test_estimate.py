"""`montecarlo estimate` prints what the documents show."""

import re

import pytest

from cli.deployment import PROJECT
from cli.main import main
from montecarlo.cost.estimate import Setup, Work, estimate


def test_the_document_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """The worked plan for a billion loans, and the table of chunk sizes."""
    text = (PROJECT / "docs" / "scale.md").read_text(encoding="utf-8")
    command, printed = re.findall(r"^    montecarlo (estimate [^\n]*)\n\n```\n(.*?)\n```", text, re.M | re.S)[0]
    assert main(command.split()) == 0
    assert capsys.readouterr().out.rstrip() == printed

    figures = r" (\d+) s, \$([\d.]+) \|"
    rows = re.findall(rf"^\| ([\d,]+) \| ([\d,]+) \| ([\d.]+) s \|{3 * figures}$", text, re.M)
    assert len(rows) == 5
    columns = [("STANDARD", "us-east-1"), ("STANDARD", "eu-central-1"), ("EXPRESS", "us-east-1")]
    for loans, chunks, chunk_seconds, *told in rows:
        size, number = (int(figure.replace(",", "")) for figure in (loans, chunks))
        for (kind, region), *shown in zip(columns, told[::2], told[1::2], strict=True):
            work = Work(loans=10**9, chunk_loans=size, objects=number, size=45 * 10**9)
            made = estimate(work, Setup(max_concurrency=1_000, children=kind, region=region))
            assert made.chunks == number
            assert f"{made.chunk_seconds:.1f}" == chunk_seconds
            assert [f"{made.duration:.0f}", f"{made.usd:.2f}"] == shown
