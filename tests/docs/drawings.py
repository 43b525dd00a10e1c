"""Drawings in the documents: the picture of the whole, and what the console's pages show at each step of a deployment.

    python -m tests.docs.drawings      docs/images/architecture.svg and docs/images/console/*.svg

Names of states, fields, defaults, stacks and outputs come from the state machine and the template, so that a drawing
says what is there; `test_pages.py` fails when one is stale. They are SVG that needs no renderer, light and dark, and
look drawn on purpose: AWS's own pages look otherwise, and change.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

from tests.infrastructure.templates import state_machine, states, template

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
ROOT_TEMPLATE = "template.yaml"
MAIN = "cloudformation/lambda/main.yml"
STACK = "montecarlo"

STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2933 }
.small { font-size: 12px } .note { font-size: 12px; fill: #5b6874; font-style: italic }
.strong { font-weight: 600 } .code { font-family: ui-monospace, monospace; font-size: 12px }
.page { fill: #ffffff } .box { fill: #f3f6f9; stroke: #52606d; stroke-width: 1.2 }
.group { fill: none; stroke: #7b8794; stroke-width: 1.2; stroke-dasharray: 6 4 }
.store { fill: #e3f0e6; stroke: #3f7d53; stroke-width: 1.2 }
.field { fill: #ffffff; stroke: #7b8794 } .act { fill: #1d5fa8; stroke: #1d5fa8 } .act-text { fill: #ffffff }
.arrow { stroke: #52606d; stroke-width: 1.4; fill: none; marker-end: url(#head) }
.thin { stroke-dasharray: 4 4 } .head { fill: #52606d }
@media (prefers-color-scheme: dark) {
 text { fill: #e4e9ee } .note { fill: #9aa7b3 } .page { fill: #14191f } .box { fill: #222a33; stroke: #9aa7b3 }
 .group { stroke: #7b8794 } .store { fill: #1d3325; stroke: #6fb487 } .field { fill: #14191f; stroke: #7b8794 }
 .arrow { stroke: #9aa7b3 } .head { fill: #9aa7b3 }
}
"""

DOES: Mapping[str, str] = {
    "Plan": "checks the request,\ndraws the scenarios",
    "PlanGroup": "cuts its objects\ninto chunks",
    "SimulateChunk": "every loan of a chunk\nin every scenario",
    "ReduceGroup": "adds up its chunks",
    "Aggregate": "checks that all is there:\nmeasures, report",
}
"""The states of dataproc that people need to know of, and what each does."""


def main() -> None:
    """Draw everything anew."""
    for path, drawing in drawings().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(drawing, encoding="utf-8")
        print(f"{path.relative_to(IMAGES.parents[1])}: {len(drawing.encode()):,} bytes")


def drawings() -> dict[Path, str]:
    """Every drawing by its file."""
    pages = {"upload": upload(), "form": form(), "acknowledge": acknowledge(), "stacks": stacks(), "outputs": outputs()}
    pages |= {"start": start(), "graph": graph()}
    return {IMAGES / "architecture.svg": architecture()} | {
        IMAGES / "console" / f"{name}.svg": page for name, page in pages.items()
    }


# ---------------------------------------------------------------------------------------------------------------------
# Pieces


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A whole drawing; `title` is what people who cannot see it are told."""
    head = (
        '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 10 5 0 10z"/></marker>'
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<defs>{head}</defs>\n<rect class="page" width="{width}" height="{height}" rx="8"/>\n{body}\n</svg>\n'
    )


def box(x: float, y: float, width: float, height: float, style: str = "box") -> str:
    """A rectangle."""
    return f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """A line of text; y is its baseline."""
    return f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def lines(x: float, y: float, words: str, style: str = "small", anchor: str = "start") -> Iterator[str]:
    """Lines of text below each other."""
    for row, line in enumerate(words.splitlines()):
        yield text(x, y + 16 * row, line, style, anchor)


def arrow(path: str, style: str = "") -> str:
    """A line that ends in an arrow's head."""
    return f'<path class="arrow {style}" d="{path}"/>'


def step(x: float, y: float, name: str) -> Iterator[str]:
    """A state, 160 x 76, with what it does."""
    yield box(x, y, 160, 76)
    yield text(x + 80, y + 24, name, "strong", "middle")
    yield from lines(x + 80, y + 44, DOES[name], "small", "middle")


def store(x: float, y: float, name: str, holds: str) -> Iterator[str]:
    """Something in S3, 150 x 76."""
    yield box(x, y, 150, 76, "store")
    yield text(x + 75, y + 24, name, "strong", "middle")
    yield from lines(x + 75, y + 44, holds, "small", "middle")


# ---------------------------------------------------------------------------------------------------------------------
# The whole


def architecture() -> str:
    """The state machine dataproc, from the portfolio to the results."""
    missing = set(DOES) - {name for name, _ in states(state_machine("dataproc"))}
    assert not missing, f"dataproc has no {missing}"
    parts = [
        *store(24, 30, "S3: portfolio", "CSV, Parquet,\nof any size"),
        *step(24, 190, "Plan"),
        arrow("M99 106 V188"),
        box(214, 22, 622, 330, "group"),
        text(230, 46, "Groups: Inline Map, up to 40 at once", "small strong"),
        *step(230, 190, "PlanGroup"),
        arrow("M184 228 H228"),
        box(414, 112, 218, 222, "group"),
        text(428, 136, "Chunks: Distributed Map,", "small strong"),
        text(428, 152, "up to 10,000 at once", "small strong"),
        box(455, 182, 160, 76),
        box(449, 186, 160, 76),
        *step(443, 190, "SimulateChunk"),
        *lines(428, 290, "Lambda, or workers on\nFargate Spot or EC2 Spot", "small"),
        arrow("M390 228 H441"),
        *step(664, 190, "ReduceGroup"),
        arrow("M617 228 H662"),
        *step(866, 190, "Aggregate"),
        arrow("M824 228 H864"),
        *store(871, 30, "S3: results", "report.html,\nresult.json, tables"),
        arrow("M946 188 V108"),
        arrow("M946 266 V376 H104 V268", "thin"),
        text(525, 370, "more scenarios, if a precision is asked for", "note", "middle"),
    ]
    return svg(1050, 396, "How dataproc simulates a portfolio: plan, groups of chunks, sums, results", parts)


# ---------------------------------------------------------------------------------------------------------------------
# The console's pages


def page(title: str, height: int, parts: Iterable[str]) -> str:
    """One page of the console, plainly a drawing."""
    frame = [
        box(12, 12, 736, height - 24, "field"),
        text(32, 42, title, "strong"),
        text(728, 42, "a drawing: AWS's page looks otherwise", "note", "end"),
    ]
    return svg(760, height, title, [*frame, *parts])


def button(x: float, y: float, name: str) -> list[str]:
    """What is to be pressed; its right edge is at x."""
    width = 24 + 8 * len(name)
    return [box(x - width, y, width, 32, "act"), text(x - width / 2, y + 21, name, "strong act-text", "middle")]


def chosen(x: float, y: float, name: str, on: bool = True) -> list[str]:
    """One of several choices."""
    mark = f'<circle class="act" cx="{x + 8}" cy="{y - 5}" r="4"/>' if on else ""
    return [f'<circle class="field" cx="{x + 8}" cy="{y - 5}" r="8"/>', mark, text(x + 26, y, name)]


def upload() -> str:
    """Steps 2 and 3."""
    parts = [
        *chosen(32, 84, "Choose an existing template"),
        *chosen(300, 84, "Build from Infrastructure Composer", on=False),
        *chosen(32, 124, "Amazon S3 URL", on=False),
        *chosen(300, 124, "Upload a template file"),
        box(32, 146, 696, 44),
        text(48, 173, "Choose file"),
        text(160, 173, MAIN, "code"),
        *button(728, 206, "Next"),
    ]
    return page("Create stack", 260, parts)


def form() -> str:
    """Step 4: the stack's name and every field with its default."""
    root = template(ROOT_TEMPLATE)
    interface = root["Metadata"]["AWS::CloudFormation::Interface"]
    labels = interface["ParameterLabels"]
    parts = [text(32, 78, "Stack name"), box(400, 60, 328, 26, "field"), text(410, 78, STACK, "code")]
    y = 116
    for group in interface["ParameterGroups"]:
        parts.append(text(32, y, group["Label"]["default"], "strong"))
        for name in group["Parameters"]:
            y += 30
            value = str(root["Parameters"][name].get("Default", ""))
            parts += [
                text(32, y, labels[name]["default"], "small"),
                box(400, y - 17, 328, 24, "field"),
                text(410, y, value or "(empty)", "code" if value else "note"),
            ]
        y += 40
    return page("Specify stack details", y + 50, [*parts, *button(728, y - 8, "Next")])


def acknowledge() -> str:
    """Step 5."""
    parts = [text(32, 76, "Capabilities", "strong")]
    for row, words in enumerate(
        (
            "I acknowledge that AWS CloudFormation might create IAM resources.",
            "I acknowledge that AWS CloudFormation might require the capability CAPABILITY_AUTO_EXPAND.",
        )
    ):
        y = 106 + 30 * row
        tick = f'<path class="arrow" style="marker-end:none" d="M36 {y - 6} l4 4 8 -9"/>'
        parts += [box(32, y - 13, 16, 16, "field"), tick, text(58, y, words, "small")]
    return page("Configure stack options", 220, [*parts, *button(728, 164, "Next")])


def nested() -> list[str]:
    """The nested stacks that there always are, as CloudFormation names them."""
    kinds = ("AWS::CloudFormation::Stack", "AWS::Serverless::Application")
    made = template(ROOT_TEMPLATE)["Resources"]
    return [name for name, body in made.items() if body["Type"] in kinds and "Condition" not in body]


def stacks() -> str:
    """Step 7."""
    parts = [text(32, 78, "Stack name", "small strong"), text(560, 78, "Status", "small strong")]
    rows = [STACK, *(f"{STACK}-{name}-…" for name in nested())]
    for row, name in enumerate(rows):
        y = 108 + 32 * row
        parts += [box(32, y - 20, 696, 28), text(44, y - 1, name, "code"), text(560, y - 1, "CREATE_COMPLETE", "code")]
        parts += [text(470, y - 1, "NESTED", "small")] if row else []
    return page("Stacks", 132 + 32 * len(rows), parts)


def outputs() -> str:
    """Step 8."""
    parts = [text(32, 78, "Key", "small strong"), text(250, 78, "Description", "small strong")]
    y = 104
    for name, body in template(ROOT_TEMPLATE)["Outputs"].items():
        words = textwrap.wrap(body["Description"], 66)
        value = textwrap.wrap(body["Value"], 66) if name == "NextSteps" else []
        height = 12 + 16 * len([*words, *value])
        style = "code strong" if name.endswith("Console") or name == "NextSteps" else "code"
        parts += [box(32, y - 16, 696, height), text(44, y, name, style)]
        parts += [*lines(250, y, "\n".join(words)), *lines(250, y + 16 * len(words), "\n".join(value))]
        y += height + 6
    return page("Outputs", y + 14, parts)


def start() -> str:
    """The first run: an execution of dataproc."""
    parts = [
        text(32, 80, "Name"),
        box(160, 62, 400, 26, "field"),
        text(170, 80, "june-2026", "code"),
        text(575, 80, "the run's name", "note"),
        text(32, 116, "Input"),
        box(160, 98, 400, 60, "field"),
        text(170, 118, "{}", "code"),
        text(575, 118, "every default", "note"),
        *button(728, 172, "Start execution"),
    ]
    return page("Start execution", 226, parts)


def graph() -> str:
    """What the page of an execution shows while chunks are simulated."""
    machine = state_machine("dataproc")
    inner = machine["States"]["Groups"]["ItemProcessor"]["States"]
    names = [machine["StartAt"], "Groups", *inner, machine["States"]["Groups"]["Next"]]
    parts = []
    for row, name in enumerate(names):
        y, within = 64 + 44 * row, name in inner
        x, width = (150, 220) if within else (120, 280)
        parts += [box(x, y, width, 32), text(x + width / 2, y + 21, name, "small strong", "middle")]
        parts += [arrow(f"M260 {y - 12} V{y - 1}")] if row else []
    at = names.index("Chunks")
    y = 64 + 44 * at
    parts += [
        *lines(440, y + 8, "choose this state for its Map Run:\nchunks done, running, pending, failed", "note"),
        arrow(f"M436 {y + 14} H374", "thin"),
    ]
    return page("Execution: june-2026", 84 + 44 * len(names), parts)


if __name__ == "__main__":
    main()
