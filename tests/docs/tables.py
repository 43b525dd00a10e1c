"""Tables in the documents that are made from the code, between `<!-- table: NAME -->` and `<!-- end of table -->`.

`python -m tests.docs.tables` writes them anew; `test_docs.py` fails when one is stale. What only people can say, such
as the meaning of a request's field, is written in the document's last column and kept.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from cli.main import parser
from montecarlo.model import parameters
from montecarlo.portfolio.columns import COLUMNS
from montecarlo.run import request
from tests.infrastructure.templates import template

ROOT = Path(__file__).resolve().parents[2]
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)

Written = Mapping[str, str]
"""The last column by the first, as the document has it."""


def documents() -> list[Path]:
    """Every Markdown file that users read."""
    places = (
        "*.md",
        "docs/*.md",
        "benchmarks/*.md",
        "examples/*/*.md",
        "terraform/*.md",
        "terraform/*/*.md",
        "requirements/*.md",
    )
    return sorted(file for place in places for file in ROOT.glob(place))


def with_fresh_tables(text: str) -> str:
    """The document with its marked tables made anew."""

    def fresh(match: re.Match[str]) -> str:
        written = {cells[0]: cells[-1] for cells in rows(match[3])}
        return f"{match[1]}{MAKERS[match[2]](written)}{match[4]}"

    return MARKED.sub(fresh, text)


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row of a Markdown text, headers included."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(header), "|".join("---" for _ in header)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in body]
    return "".join(f"|{line}|\n" if line.startswith("---") else f"| {line} |\n" for line in lines)


def _columns(written: Written) -> str:
    needed = {
        "always": "yes",
        "unless PD": "unless the loan brings PD",
        "unless PD and EAD": "unless the loan brings PD and EAD",
        "never": "",
    }
    body = [
        (f"`{column.name}`", column.unit or column.kind, column.range, needed[column.needed], column.description)
        for column in COLUMNS
    ]
    return _table(("column", "unit", "from, to", "needed", "meaning"), body)


def _request(kind: type) -> Callable[[Written], str]:
    def make(written: Written) -> str:
        body = []
        for field in fields(kind):
            default = "" if field.default is MISSING else json.dumps(field.default)
            name = f"`{field.name}`"
            body.append((name, f"`{default}`" if default else "", _allowed(field.name), written.get(name, "")))
        return _table(("field", "default", "allowed", "meaning"), body)

    return make


def _allowed(field: str) -> str:
    if field not in request._NUMBERS:
        return ""
    low, high, _ = request._NUMBERS[field]
    return f"{_number(low)} to {_number(high)}"


def _parameters(written: Written) -> str:
    document = json.loads((ROOT / "functions/montecarlo/model/parameters.json").read_text(encoding="utf-8"))
    body = []
    for path, leaf in _leaves(document, ()):
        low_high = parameters._RANGES.get(path[-1])
        allowed = f"{_number(low_high[0])} to {_number(low_high[1])}" if low_high else ""
        body.append((f"`{'.'.join(path)}`", json.dumps(leaf["value"]), allowed, leaf["source"]))
    return _table(("parameter", "default", "allowed", "source"), body)


def _leaves(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The parameters that have a source, each with its path."""
    for name, value in node.items():
        if isinstance(value, Mapping):
            if "value" in value:
                yield (*path, name), value
            else:
                yield from _leaves(value, (*path, name))


def _stack_parameters(written: Written) -> str:
    body = [
        (f"`{name}`", f"`{value['Default']}`" if value["Default"] != "" else "empty", value["Description"])
        for name, value in template("template.yaml")["Parameters"].items()
    ]
    return _table(("parameter", "default", "meaning"), body)


def _run_options(written: Written) -> str:
    options = (option for option in parser().commands["run"].params if option.name != "help")
    body = [(f"`{option.opts[-1]}`", getattr(option, "help", "")) for option in options]
    return _table(("option", "meaning"), body)


def _number(value: float) -> str:
    return f"{value:,.12g}" if abs(value) < 1e12 else f"{value:.3g}"


def _commands(written: Written) -> str:
    body = [(f"`{command_usage(name)}`", (made.help or "").rstrip(".")) for name, made in parser().commands.items()]
    return _table(("montecarlo ...", "what it does"), body)


def _options(written: Written) -> str:
    """Options of all commands but `run`, which has a table of its own: what several mean alike stands once."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, made in parser().commands.items():
        for option in made.params if name != "run" else ():
            if option.opts[0].startswith("-") and option.name != "help":
                meaning = getattr(option, "help", "") or ""
                found.setdefault((option.opts[-1], meaning), []).append(f"`{name}`")
    body = [(f"`{option}`", ", ".join(names), meaning) for (option, meaning), names in sorted(found.items())]
    return _table(("option", "of", "meaning"), body)


def command_usage(name: str) -> str:
    """A command with its arguments, without its options."""
    params = parser().commands[name].params
    arguments = [str(option.metavar or "") for option in params if not option.opts[0].startswith("-")]
    return " ".join([name, *arguments])


MAKERS: Mapping[str, Callable[[Written], str]] = {
    "columns": _columns,
    "run-request": _request(request.RunRequest),
    "datagen-request": _request(request.DatagenRequest),
    "parameters": _parameters,
    "stack-parameters": _stack_parameters,
    "run-options": _run_options,
    "commands": _commands,
    "options": _options,
}


def main() -> int:
    for file in documents():
        text = file.read_text(encoding="utf-8")
        fresh = with_fresh_tables(text)
        if fresh != text:
            file.write_text(fresh, encoding="utf-8")
            print(f"{file.relative_to(ROOT)} has fresh tables.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
