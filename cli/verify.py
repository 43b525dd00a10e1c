"""`montecarlo verify`: a run worked out again from its portfolio, and followed to its figures."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError
from cli.options import Run, whole, writable
from cli.place import Place, Profile, Region, StackName
from cli.screen import counted, say, show, shown

LARGEST_SEED = 2**64
DIFFERENT = 1
"""The exit status where something of the run is not as it should be: as of a run that failed."""


def add_to(app: typer.Typer) -> None:
    """Add `verify` to the command line."""
    app.command()(verify)


def verify(
    run: Run,
    chunks: Annotated[
        int,
        typer.Option(
            parser=whole,
            metavar="N",
            help="chunks to simulate again (default 459: they find 1 % falsified ones with 99 %)",
        ),
    ] = 459,
    seed: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="decides which chunks are drawn (default: at random)")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write what was checked and found to this file, sealed", callback=writable),
    ] = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Work a run out again from its portfolio, chunks drawn at random, and follow their sums to its figures."""
    import secrets

    from additive.verify import CONFIDENCE
    from additive.verify import verify as work_out
    from cli.history import checked_name
    from montecarlo.host.environment import Environment
    from montecarlo.storage.store import Store

    if seed is not None and not 0 <= seed < LARGEST_SEED:
        raise CommandError(f"--seed is {seed}, but must be a whole number from 0 to 2**64 - 1.")
    seed = secrets.randbelow(LARGEST_SEED) if seed is None else seed
    there = Place(stack, profile, region).find()
    client, here = there.client("s3"), Environment()
    found = work_out(
        Store(there.bucket, client),
        checked_name(run),
        chunks,
        seed,
        lambda bucket: Store(bucket, client),
        say,
        here.kernel,
        here.cache,
    )
    if record:
        record.write_bytes(found.to_bytes() + b"\n")
    show(f"Run {run}, plan {found.plan[:16]}, seed {seed}:")
    for line in found.checked:
        show(f"  checked  {line}", hang=11)
    for line in found.remarks:
        show(f"  remark   {line}", hang=11)
    for finding in found.findings:
        show(f"  WRONG    {finding.place}: {finding.what}", hang=11)
    if found.drawn and len(found.drawn) < found.chunks:
        show(
            f"Falsified chunks would have been found with {CONFIDENCE:.0%} if they were {found.found_share:.2%} of all "
            "or more.",
            hang=0,
        )
    if record:
        say(f"The record is {shown(record.resolve())}: sealed, so sign the file before you hand it on.")
    if not found.intact:
        show(f"{counted(len(found.findings), 'finding')}: the run's figures do not follow from its portfolio.")
        raise typer.Exit(DIFFERENT)
    show("Nothing is wrong: the run's figures follow from its portfolio.")
