"""`montecarlo estimate` prints what the documents show."""

import re

import pytest

from cli.deployment import PROJECT
from cli.main import main
from montecarlo.cost.estimate import HOURS_OF_MONTH, INSTANCE_GB, Setup, Work, estimate, prices


def test_the_document_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """The worked plan for a billion loans, and the table of chunk sizes."""
    text = (PROJECT / "docs" / "scale.md").read_text(encoding="utf-8")
    example = r"^    \.venv/bin/montecarlo (estimate [^\n]*)\n\n```\n(.*?)\n```"
    command, printed = re.findall(example, text, re.M | re.S)[0]
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


OPTIONS = (
    ["--concurrency", "500"],
    ["--compute", "fargate", "--workers", "25"],
    ["--workers", "125"],
    ["--compute", "ec2"],
    ["--compute", "ec2", "--workers", "125"],
)


def test_the_document_compares_functions_and_workers_as_the_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    text = (PROJECT / "docs" / "compute.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (1e\d) \|" + 5 * r" ([\d,]+) s, \$([\d.]+) \|" + "$", text, re.M)
    assert [row[0] for row in rows] == ["1e6", "1e8", "1e9"]
    for loans, *told in rows:
        for options, seconds, usd in zip(OPTIONS, told[::2], told[1::2], strict=True):
            assert main(["estimate", "--loans", loans, *options]) == 0
            printed = capsys.readouterr().out
            assert re.search(rf"^duration +{seconds} s$", printed, re.M), (loans, options)
            assert re.search(rf"^cost +\$ +{re.escape(usd)}$", printed, re.M), (loans, options)
    usd, core_gb = prices()["usd"], 2
    functions = Setup.memory_mb / 1024 * usd["lambda_gb_second"]["arm64"] * 3600
    on_demand = usd["fargate_vcpu_hour"]["arm64"] + core_gb * usd["fargate_gb_hour"]["arm64"]
    address = usd["public_ipv4_hour"] / 4
    instance, disk = usd["ec2_vcpu_hour"]["arm64"]["2"], INSTANCE_GB * usd["ebs_gb_month"] / HOURS_OF_MONTH / 4
    for hour in (
        functions,
        on_demand * prices()["fargate_spot_share"] + address,
        on_demand + address,
        instance * prices()["ec2_spot_share"] + disk + address,
        instance + disk + address,
    ):
        assert f"${hour:.3f}" in text
    assert main(["estimate", "--loans", "1e9", "--workers", "25"]) == 0
    assert re.search(r"^state transitions .*\$ +1\.00$", capsys.readouterr().out, re.M)


@pytest.mark.parametrize(
    "options",
    [
        ["--workers", "1001"],
        ["--workers", "0"],
        ["--workers", "5", "--children", "EXPRESS"],
        ["--workers", "5", "--compute", "lambda"],
        ["--compute", "ec2", "--children", "EXPRESS"],
        ["--compute", "EC3"],
    ],
)
def test_workers_that_cannot_be_are_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--loans", "1e6", *options]) != 0
    told = capsys.readouterr().err
    assert "workers" in told or "'--compute'" in told
    assert "Traceback" not in told
