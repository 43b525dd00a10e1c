"""The pictures of the report in the documents, made from runs in memory by a browser without a window.

    python -m tests.docs.reports                   docs/images/report*.png
    python -m tests.docs.reports --look FOLDER     the pages and pictures of odd runs, too: one loan, seven cases,
                                                   a hundred million loans (made up), a run that failed

It takes Chromium, and pdftoppm of Poppler for the pages on paper.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli import browser
from montecarlo.report.charts.losses import Distribution
from montecarlo.report.failure import render_failure
from montecarlo.report.page import render
from tests.memory_run import MemoryHost, generate, simulate
from tests.report.browsing import DARK
from tests.report.sample import full_result, gamma_losses

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LOOK = {"institution": "First Example Bank", "portfolio_name": "Consumer and business loans", "capital_available": 60e6}
NARROW = 390
TELEPHONE = '<body style="margin:0"><iframe src="{}" width="390" height="1640" style="border:0"></iframe></body>'


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--look", type=Path, help="a folder for pages and pictures of odd runs")
    options = parser.parse_args()
    if browser.find() is None or shutil.which("pdftoppm") is None:
        raise SystemExit("Chromium and pdftoppm are needed: apt-get install chromium poppler-utils")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, page in usual().items():
            (folder / f"{name}.html").write_text(page, encoding="utf-8")
        shot(folder / "june.html", IMAGES / "report.png", 1280, 1640, scale=0.75)
        narrow(folder)
        paper(folder, 4)
    if options.look:
        options.look.mkdir(parents=True, exist_ok=True)
        for name, page in {**usual(), **odd()}.items():
            file = options.look / f"{name}.html"
            file.write_text(page, encoding="utf-8")
            shot(file, options.look / f"{name}.png", 1280, 5000)
            (options.look / f"{name}-telephone.html").write_text(TELEPHONE.format(file.name), encoding="utf-8")
            shot(options.look / f"{name}-telephone.html", options.look / f"{name}-telephone.png", 500, 1640)
            print(f"{name}: {len(page.encode()):,} bytes")
    for image in sorted(IMAGES.glob("report*.png")):
        print(f"{image.name}: {image.stat().st_size:,} bytes")
    return 0


def usual() -> dict[str, str]:
    """A report that has everything: a title, a capital, an earlier run, borrowers."""
    host = MemoryHost()
    generate(host, name="may", loans=9_000, book="commercial")
    generate(host, name="june", loans=10_000, book="commercial")
    simulate(host, run="may-2026", portfolio="portfolios/may/", scenarios=4_000)
    simulate(host, run="june-2026", portfolio="portfolios/june/", scenarios=4_000, compare_with="may-2026",
             **{**LOOK, "capital_available": 2e9})  # fmt: skip
    return {"june": host.s3.objects["runs/june-2026/report.html"].decode()}


def odd() -> dict[str, str]:
    """Reports that a layout may not be made for."""
    host = MemoryHost()
    generate(host, name="one", loans=1)
    simulate(host, run="one", portfolio="portfolios/one/", scenarios=1_000)
    generate(host, name="some", loans=5_000)
    cases = {f"rise_of_{rise}": {"fed_rate": 3.63 + rise, "probit_shift": {"auto": rise / 30}} for rise in range(1, 7)}
    simulate(host, run="seven", portfolio="portfolios/some/", scenarios=2_000, cases=cases, **LOOK)
    failure = {"run": "july-2026", "error": "InvalidPortfolio", "cause": "2,310 of 10,000 rows were rejected, more than"
               " max_rejected_share 0.100% allows; most often (2,310): GrossIncome is empty."}  # fmt: skip
    return {
        **{name: host.s3.objects[f"runs/{name}/report.html"].decode() for name in ("one", "seven")},
        "hundred-million": hundred_million(),
        "failed": render_failure(failure),
    }


def hundred_million() -> str:
    """A made-up result of a portfolio of a hundred million loans."""
    result, factor = full_result(), 30_000
    text = json.dumps(result["cases"])
    result["cases"] = scaled(json.loads(text), factor)
    result["exposure"] *= factor
    result["capital_available"] *= factor
    del result["compared"]
    for borrower in result["portfolio"]["borrowers"]["largest"]:
        borrower["exposure"] *= factor
    for key in ("segments", "regions"):
        result["portfolio"][key] = scaled(result["portfolio"][key], factor)
    result["loans"] = {"read": 100_000_210, "simulated": 100_000_000, "rejected": 210, "not_sampled": 0}
    losses = {name: Distribution(each.losses * factor, each.weights) for name, each in gamma_losses().items()}
    return render(result, losses)


def scaled(node: Any, factor: int) -> Any:
    """The amounts of a part of a result times so many; rates, shares and counts of scenarios stay."""
    kept = ("fed_rate", "mean_pd", "el_check", "effective_sample_size", "scenarios")
    if isinstance(node, dict):
        return {key: value if key in kept else scaled(value, factor) for key, value in node.items()}
    if isinstance(node, list):
        return [scaled(value, factor) for value in node]
    return node * factor if isinstance(node, int | float) else node


def shot(page: Path, target: Path, width: int, height: int, *options: str, scale: float = 1.0) -> None:
    """A picture of the top of a page."""
    browser.to_png(page, target.resolve(), width, height, scale, options)


def narrow(folder: Path) -> None:
    """Two telephones side by side: light, and dark."""
    (folder / "telephone.html").write_text(TELEPHONE.format("june.html"), encoding="utf-8")
    for name, options in {"light": (), "dark": (DARK,)}.items():
        shot(folder / "telephone.html", folder / f"{name}.png", 500, 1640, *options)
    side_by_side(folder, ["light.png", "dark.png"], IMAGES / "report-narrow.png", NARROW, 1640, 0.75)


def paper(folder: Path, pages: int) -> None:
    """The first pages on paper."""
    browser.to_pdf(folder / "june.html", folder / "june.pdf")
    command = ["pdftoppm", "-r", "60", "-l", str(pages), "-png", str(folder / "june.pdf"), str(folder / "page")]
    subprocess.run(command, check=True)
    drawn = sorted(path.name for path in folder.glob("page*.png"))
    side_by_side(folder, drawn, IMAGES / "report-pdf.png", 496, 702, 0.75)


def side_by_side(folder: Path, pictures: Sequence[str], target: Path, width: int, height: int, scale: float) -> None:
    """Pictures beside each other, each cut to so many pixels."""
    cut = f"width:{width}px;height:{height}px;object-fit:cover;object-position:0 0;outline:1px solid #8a94a5"
    images = "".join(f'<img src="{name}" style="{cut}">' for name in pictures)
    page = folder / f"{target.stem}.html"
    page.write_text(f'<body style="margin:6px;display:flex;gap:6px;background:#d5dae2">{images}</body>')
    shot(page, target, (width + 6) * len(pictures) + 6, height + 12, scale=scale)


if __name__ == "__main__":
    sys.exit(main())
