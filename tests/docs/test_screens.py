"""The pictures of the command line: every command has one, the documents show it, and what draws them draws rightly."""

import re
import xml.etree.ElementTree as ET

import pytest

from cli.main import parser
from tests.docs.screens import IMAGES, SCREENS, hidden
from tests.docs.terminal import Terminal, film, picture

MOST_BYTES = 200_000
"""Of the recording at the top of the README."""

MOST_PICTURE_BYTES = 300_000


def texts(terminal: Terminal) -> list[str]:
    return ["".join(char for char, _ in line) for line in terminal.shown()]


def test_every_command_has_a_picture_that_the_documents_show() -> None:
    shown = (IMAGES.parent / "commands.md").read_text(encoding="utf-8")
    typed = {words.split()[0] for words in SCREENS.values()}
    assert set(parser().commands) <= typed
    for name in SCREENS:
        assert f"(images/screens/{name}.svg)" in shown
        ET.parse(IMAGES / "screens" / f"{name}.svg")
    assert {path.stem for path in (IMAGES / "screens").glob("*.svg")} == set(SCREENS)


def test_the_recording_is_small_enough_for_a_page() -> None:
    recording = IMAGES / "terminal.svg"
    assert recording.stat().st_size < MOST_BYTES
    assert "docs/images/terminal.svg" in (IMAGES.parents[1] / "README.md").read_text(encoding="utf-8")
    assert "montecarlo run" in "".join(ET.parse(recording).getroot().itertext())


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("abc\rX", ["Xbc"]),
        ("abcdefghijkl", ["abcdefghij", "kl"]),
        ("bar 10 %\r\x1b[2Kbar 20 %", ["bar 20 %"]),
        ("one\r\ntwo\r\n\x1b[2A\x1b[2KONE", ["ONE", "two"]),
        ("\x1b[?25lhid\x1b[3D\x1b[Kden\x1b[?25h", ["den"]),
        ("\x1b]0;title\x07text", ["text"]),
    ],
)
def test_a_terminal_shows_what_stands_on_it(written: str, lines: list[str]) -> None:
    terminal = Terminal(10)
    terminal.write(written)
    assert texts(terminal) == lines


def test_colours_are_drawn_at_their_places_and_nothing_is_markup() -> None:
    terminal = Terminal(40)
    terminal.write("a <b> \x1b[1;32mgreen\x1b[0m & plain")
    drawn = ET.fromstring(picture(terminal.shown(), 40))
    words = [(each.get("class"), each.text) for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert words == [(None, "a <b>"), ("bold green", "green"), (None, "& plain")]


def test_a_film_writes_a_line_once_and_shows_its_frames_one_after_the_other() -> None:
    terminal = Terminal(40)
    frames = []
    for second, text in enumerate(("first", "\r\nsecond", "\r\nthird")):
        terminal.write(text)
        frames.append((float(second), terminal.shown()))
    drawn = film(frames, rows=5, last=1.0)
    assert drawn.count(">first<") == 1
    assert re.findall(r"@keyframes k(\d)\{(?:0%\{visibility:hidden\})?([\d.]+)%", drawn) == [
        ("0", "0.00"), ("1", "33.33"), ("2", "66.67"),
    ]  # fmt: skip


def test_no_path_and_no_key_of_this_computer_is_shown() -> None:
    terminal = Terminal(120)
    terminal.write(f"{IMAGES.parents[1]}/out/report.html\r\nexport AWS_SECRET_ACCESS_KEY=abcdef")
    shown = ["".join(char for char, _ in line) for line in hidden(terminal.shown(), IMAGES)]
    assert shown == ["~/out/report.html", "export AWS_SECRET_ACCESS_KEY=********"]


def test_the_pictures_of_the_report_are_small_and_shown() -> None:
    shown = (IMAGES.parent / "results.md").read_text(encoding="utf-8")
    for name in ("report", "report-pdf", "report-narrow"):
        assert f"(images/{name}.png)" in shown
        assert 10_000 < (IMAGES / f"{name}.png").stat().st_size < MOST_PICTURE_BYTES
