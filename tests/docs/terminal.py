"""A terminal that remembers what was written to it, and pictures of it as SVG: still ones, and ones that move.

It knows what the command line and rich write: text, colours, and the movements of a bar that is drawn again. Imports
the standard library only.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path

Cell = tuple[str, str]
"""A character, and the classes that it is drawn with."""

Line = tuple[Cell, ...]

_PART = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|([\s\S])")
COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


@dataclass
class Terminal:
    """What stands on a terminal of so many columns; it has as many rows as are written."""

    columns: int = 80
    lines: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: tuple[str, ...] = ()

    def write(self, text: str) -> None:
        """Take what a program has written."""
        for code, command, char in _PART.findall(text):
            if char:
                self._put(char)
            elif command:
                self._move(code, command)

    def shown(self) -> list[Line]:
        """The lines, without blanks at their ends."""
        lines = [tuple(line) for line in self.lines]
        stripped = [
            line[: max((at for at, (char, _) in enumerate(line, 1) if char != " "), default=0)] for line in lines
        ]
        while stripped and not stripped[-1]:
            stripped.pop()
        return stripped

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row, self.column = self.row + 1, 0
            self._reach()
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char.isprintable():
            if self.column == self.columns:
                self._put("\n")
            line = self.lines[self.row]
            line += [(" ", "")] * (self.column + 1 - len(line))
            line[self.column] = (char, " ".join(self.style))
            self.column += 1

    def _move(self, code: str, command: str) -> None:
        numbers = [int(each) for each in code.split(";") if each.isdigit()]
        by = numbers[0] if numbers else 1
        if command == "A":
            self.row = max(0, self.row - by)
        elif command == "B":
            self.row += by
            self._reach()
        elif command in "CD":
            self.column = max(0, self.column + (by if command == "C" else -by))
        elif command == "G":
            self.column = by - 1
        elif command == "K":
            line = self.lines[self.row]
            if numbers[:1] == [2]:
                line.clear()
            else:
                del line[self.column :]
        elif command == "m":
            self._colour(numbers or [0])

    def _colour(self, numbers: Sequence[int]) -> None:
        style = set(self.style)
        for number in numbers:
            if number == 0:
                style.clear()
            elif number in (1, 2):
                style.add({1: "bold", 2: "dim"}[number])
            elif number == 22:
                style -= {"bold", "dim"}
            elif 30 <= number <= 37 or 90 <= number <= 97 or number == 39:
                style -= set(COLOURS)
                style |= {COLOURS[number % 10]} if number != 39 else set()
        self.style = tuple(sorted(style))

    def _reach(self) -> None:
        while len(self.lines) <= self.row:
            self.lines.append([])


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], columns: int = 80
) -> Iterator[tuple[float, str]]:
    """Run a program on a terminal of its own; yields the seconds since its start and what it has written."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    settings = {**environment, "COLUMNS": str(columns), "TERM": "xterm-color", "LC_ALL": "C.UTF-8"}
    began, left = time.monotonic(), b""
    program = subprocess.Popen(command, cwd=folder, env=settings, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        while True:
            if not select.select([ours], [], [], 0.05)[0]:
                continue
            try:
                data = left + os.read(ours, 1 << 16)
            except OSError:  # the program has closed the terminal
                break
            if not data:
                break
            text = data.decode("utf-8", "ignore")
            left = data[len(text.encode()) :]
            yield time.monotonic() - began, text
    finally:
        os.close(ours)
        program.wait()


# Pictures -------------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, MARGIN = 7.8, 17, 14
"""Of a character and a line, in pixels."""

_LIGHT = {
    "": "#24292f", "dim": "#57606a", "red": "#b3261e", "green": "#116329", "yellow": "#7d4e00", "blue": "#0550ae",
    "magenta": "#8250df", "cyan": "#0a6570", "white": "#57606a", "black": "#57606a", "page": "#f6f8fa",
}  # fmt: skip
_DARK = {
    "": "#e6edf3", "dim": "#9aa4af", "red": "#ff8178", "green": "#56d364", "yellow": "#e3b341", "blue": "#79c0ff",
    "magenta": "#d2a8ff", "cyan": "#56d4dd", "white": "#c4cdd6", "black": "#9aa4af", "page": "#0d1117",
}  # fmt: skip


def picture(lines: Sequence[Line], columns: int = 80) -> str:
    """Lines as an SVG, light or dark as the reader has it."""
    body = "".join(f'<g transform="translate(0 {HEIGHT * at})">{_line(line)}</g>' for at, line in enumerate(lines))
    return _page(body, len(lines), columns, "")


def film(frames: Iterable[tuple[float, Sequence[Line]]], rows: int, last: float, columns: int = 80) -> str:
    """Frames, each from its second on, as an SVG that moves and begins again `last` seconds after the last one.

    A line that stands in several frames is written once. Whoever wants no movement sees the last frame.
    """
    known: dict[Line, str] = {}
    shots = [(when, list(lines)[-rows:]) for when, lines in frames]
    whole = shots[-1][0] + last
    groups, styles = [], []
    for number, (when, lines) in enumerate(shots):
        uses = []
        for at, line in enumerate(lines):
            if line:
                name = known.setdefault(line, f"l{len(known)}")
                uses.append(f'<use href="#{name}" y="{HEIGHT * at}"/>')
        groups.append(f'<g class="f f{number}">{"".join(uses)}</g>')
        begin = 100 * when / whole
        end = 100 * (shots[number + 1][0] / whole if number + 1 < len(shots) else 1.0)
        before = "0%{visibility:hidden}" if begin else ""
        after = f"{end:.2f}%{{visibility:hidden}}" if number + 1 < len(shots) else ""
        styles.append(f"@keyframes k{number}{{{before}{begin:.2f}%{{visibility:visible}}{after}}}")
        styles.append(f".f{number}{{animation-name:k{number}}}")
    moving = f".f{{visibility:hidden;animation:{whole:.1f}s step-end infinite}}{''.join(styles)}"
    still = f"@media(prefers-reduced-motion:reduce){{.f{{animation:none}}.f{len(shots) - 1}{{visibility:visible}}}}"
    defined = "".join(f'<g id="{name}">{_line(line)}</g>' for line, name in known.items())
    return _page(f"<defs>{defined}</defs>{''.join(groups)}", rows, columns, moving + still)


def _line(line: Line) -> str:
    """A line, each run of one style at its place and of its width, whatever font there is."""
    parts, at = [], 0
    for style, cells in groupby(line, key=lambda cell: cell[1]):
        text = "".join(char for char, _ in cells)
        shown = text.strip()
        if shown:
            begin = at + len(text) - len(text.lstrip())
            about = f' class="{style}"' if style else ""
            place = f'x="{MARGIN + begin * WIDTH:.1f}" y="{MARGIN + 12}" textLength="{len(shown) * WIDTH:.1f}"'
            parts.append(f"<text {place}{about}>{escape(shown, quote=False)}</text>")
        at += len(text)
    return "".join(parts)


def _page(body: str, rows: int, columns: int, more: str) -> str:
    width, height = round(columns * WIDTH + 2 * MARGIN), rows * HEIGHT + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<style>text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"white-space:pre}}.bold{{font-weight:600}}{_theme(_LIGHT)}"
        f"@media(prefers-color-scheme:dark){{{_theme(_DARK)}}}{more}</style>"
        f'<rect class="page" width="{width}" height="{height}" rx="8"/>{body}</svg>\n'
    )


def _theme(colours: Mapping[str, str]) -> str:
    return "".join(f"{f'.{name}' if name else 'text'}{{fill:{colour}}}" for name, colour in colours.items())
