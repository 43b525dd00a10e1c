"""`montecarlo report` and `montecarlo share`: the report as a file, as PDF, and as a link."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import CommandError
from cli.options import Run
from cli.place import Place, Profile, Region, StackName
from cli.screen import counted, say, show, shown

if TYPE_CHECKING:
    from cli.deployment import Stack

_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
LONGEST_LINK = 7 * _SECONDS["d"]
"""Of a link that is signed for S3."""


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(report)
    app.command()(share)


def report(
    results: Annotated[
        str, typer.Argument(metavar="RESULTS", help="a folder that a run's results are in, or a run on the stack")
    ],
    pdf: Annotated[bool, typer.Option("--pdf", help="print it as PDF, which takes Chromium, Chrome or Edge")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="the file to write (default report.html or report.pdf)"),
    ] = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Write a run's report to a file, as HTML or PDF; of a run that failed, why it did."""
    import tempfile

    from cli import browser

    target = out or Path("report.pdf" if pdf else "report.html")
    if target.exists():
        raise CommandError(f"{target} is there already: name another with --out, or remove it.")
    if pdf and browser.find() is None:
        raise CommandError(f"{target} cannot be made: {browser.MISSING}.")
    folder = Path(results)
    page = _page_in(folder) if folder.is_dir() else page_of(Place(stack, profile, region).find(), results)
    try:
        if pdf:
            with tempfile.TemporaryDirectory(prefix="montecarlo-") as scratch:
                source = Path(scratch) / "report.html"
                source.write_bytes(page)
                browser.to_pdf(source, target.resolve())
        else:
            target.write_bytes(page)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error}.") from None
    show(f"The report is {shown(target.resolve())}.")


def _page_in(folder: Path) -> bytes:
    """The report in a folder of results, or of a run that failed. Raises CommandError."""
    from montecarlo.report.document import parsed
    from montecarlo.report.failure import render_failure

    for name in ("report.html", "failure.json"):
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CommandError(f"{folder / name} cannot be read: {error}.") from None
        return content if name == "report.html" else render_failure(parsed(content, name)).encode()
    raise CommandError(f"{folder} holds no report: it has no report.html and no failure.json.")


def page_of(there: "Stack", run: str) -> bytes:
    """The report of a run on a stack; of one that failed, why it did. Raises CommandError where there is neither."""
    from cli import history
    from montecarlo.report.document import parsed
    from montecarlo.report.failure import render_failure
    from montecarlo.storage import keys

    page = history.read(there, keys.report(history.checked_name(run)))
    if page is not None:
        return page
    failure = history.read(there, keys.failure(run))
    if failure is None:
        raise CommandError(f"the run {run} has no report: it is {history.find(there, run).state}.")
    return render_failure(parsed(failure, "failure.json")).encode()


def page_with_charts(folder: Path) -> str:
    """The report in a folder of results, whose charts are wanted. Raises CommandError."""
    try:
        return (folder / "report.html").read_bytes().decode(errors="replace")
    except OSError as error:
        raise CommandError(
            f"{folder / 'report.html'} cannot be read: {error.strerror}. The charts are taken from it."
        ) from None


def write_charts(page: str, target: Path) -> tuple[list[Path], str]:
    """Write a report's charts into a folder, as SVG and PNG; returns the files, and why there is no PNG if so.

    Raises InvalidResult where it is no report.
    """
    from cli import browser
    from montecarlo.report.pictures import pictures

    written = []
    for name, drawing in pictures(page).items():
        file = target / f"{name}.svg"
        file.write_text(drawing, encoding="utf-8")
        written.append(file)
        if browser.find():
            width, height = (float(size) for size in re.findall(r' (?:width|height)="([\d.]+)"', drawing)[:2])
            browser.to_png(file, file.with_suffix(".png").resolve(), round(width), round(height))
            written.append(file.with_suffix(".png"))
    return written, "" if browser.find() else f"{browser.MISSING}."


def share(
    run: Run,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="how long the links work: 30m, 12h, 7d (default 12h)")
    ] = "12h",
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Sign links to a run's report and result.json with your own credentials, for those who have no account."""
    from cli import history, links
    from montecarlo.storage import keys

    seconds, name = seconds_of(expires), history.checked_name(run)
    there = Place(stack, profile, region).find()
    found = [key for key in (keys.report(name), keys.result(name)) if history.exists(there, key)]
    if not found:
        raise CommandError(f"the run {run} has nothing to share: it is {history.find(there, run).state}.")
    for link in links.signed(there, found, seconds):
        show(link)
    say(
        f"\n{counted(len(found), 'link')} for {expires}. Whoever has a link can read the file: links in mails, chats"
        " and histories are keys lying about."
    )
    if early := links.dies_early(there, seconds):
        say(early)


def seconds_of(text: str) -> int:
    """30m, 12h or 7d in seconds. Raises CommandError for what is none, or longer than S3 allows."""
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", text.strip(), re.ASCII)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= LONGEST_LINK:
        raise CommandError(f"--expires is {text!r}, but must be a time such as 30m, 12h or 7d, and 7d at most.")
    return seconds
