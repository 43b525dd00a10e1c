"""`montecarlo init`: a mapping proposed for a file of one's own."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli import PROJECT, CommandError
from cli.screen import counted, show, typed, warn


def add_to(app: typer.Typer) -> None:
    """Add `init` to the command line."""
    app.command()(init)


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a CSV or Parquet file, as your system writes it")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="write the mapping to this file instead of printing it")
    ] = None,
) -> None:
    """Propose a mapping for a file, and say what is unsure of it."""
    import json

    from cli import files, first_rows, guessing
    from montecarlo.model.parameters import load

    if to and to.exists():
        raise CommandError(f"{to} is there already: name another file, or remove it.")
    ((name, path),) = files.portfolio_files(file).items() if file.is_file() else [("", file)]
    if not name:
        raise CommandError(f"{file} is no file: give one of the portfolio's files, they all have the same columns.")
    beginning = first_rows.of_file(path, name)
    proposal = guessing.propose(beginning.table, tuple(load(None).segments), beginning.dialect, beginning.doubts)
    if proposal.knows_nothing:
        raise CommandError(
            f"{file} has {counted(beginning.table.num_columns, 'column')}, and none is like one that is needed, by its "
            "name or its cells. Is it a file of loans, and the first line of a CSV file its header? If so, write the "
            "mapping by hand: docs/run-your-portfolio.md#mapping."
        )
    schema = {"$schema": _schema_from(to.parent if to else Path())}
    text = json.dumps({**schema, **proposal.to_json()}, indent=1, ensure_ascii=False) + "\n"
    if to:
        to.write_text(text, encoding="utf-8")
        show(f"Written to {to}.")
    else:
        show(text, end="")
    for doubt in proposal.doubts:
        warn(f"Look again: {doubt}")
    mapping = str(to or "mapping.json")
    if not to:
        warn(f"To keep it: {typed('init', str(file), '--to', mapping)}")
    warn(f"Then: {typed('check', str(file), '--mapping', mapping)}")


def _schema_from(folder: Path) -> str:
    """Where the mapping's schema is, as a file in the folder names it: editors complete and check by it."""
    schema = PROJECT / "schemas" / "mapping.schema.json"
    try:
        return Path(os.path.relpath(schema, folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return schema.as_uri()
