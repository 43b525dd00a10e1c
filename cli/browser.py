"""A browser without a window, where this computer has one: it prints pages as PDF and draws charts as PNG.

It is Chromium or a browser made of it, which is started for one file, with a profile of its own and no network.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cli import CommandError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
LONGEST_SECONDS = 120

MISSING = (
    "there is no Chromium, Chrome or Edge on this computer. Install one, or open the report and print it from your "
    "browser: it is made for paper, too"
)


def find() -> str | None:
    """The browser's program; None where there is none."""
    found = (shutil.which(name) for name in (*NAMES, *PLACES))
    return next((program for program in found if program), None)


def to_pdf(page: Path, target: Path) -> None:
    """Print a page. Raises CommandError where there is no browser, or it cannot."""
    _run(page, target, f"--print-to-pdf={target}", "--no-pdf-header-footer")


def to_png(
    drawing: Path, target: Path, width: int, height: int, scale: float = 2.0, further: Sequence[str] = ()
) -> None:
    """Draw a page or a drawing of so many pixels, each of them `scale` dots wide. further: options of the browser.

    Raises as `to_pdf` does.
    """
    size = (f"--window-size={width},{height}", f"--force-device-scale-factor={scale:g}")
    _run(drawing, target, f"--screenshot={target}", "--hide-scrollbars", *size, *further)


def _run(source: Path, target: Path, *options: str) -> None:
    program = find()
    if program is None:
        raise CommandError(f"{target} cannot be made: {MISSING}.")
    with tempfile.TemporaryDirectory(prefix="montecarlo-browser-", ignore_cleanup_errors=True) as profile:
        apart = (
            *("--headless=new", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"),
            *("--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"),
            # Chromium refuses its sandbox to root, as in a container.
            *(("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()),
        )
        command = [program, *apart, *options, source.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=LONGEST_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandError(f"{target} cannot be made: {program} did not do it: {error}.") from None
    if done.returncode or not target.is_file():
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise CommandError(f"{target} cannot be made: {program} ended with {done.returncode}. {' '.join(last)}")
