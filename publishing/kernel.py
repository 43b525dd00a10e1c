"""Makes functions/montecarlo/simulation/kernel-<machine>.b64: kernel.c as machine code for Lambda's two processors.

`make kernel` writes them. They are committed; a test fails where kernel.c is newer, and another one makes them anew,
where the compiler is, and compares every byte. The compiler is Zig's for C (`ziglang` on PyPI), because it makes the
same bytes on every system, for any processor. It is large, so it has an environment of its own.

Imports montecarlo.simulation.binary and the standard library only.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from montecarlo.simulation import binary
from montecarlo.simulation.binary import FOLDER, MACHINES, OPTIONS, SOURCE, Binary

PYTHON = Path(__file__).resolve().parent.parent / ".venv-zig" / "bin" / "python"
"""Of the environment that has ziglang."""

GLIBC = "2.28"
"""The oldest C library that they run with: that of Amazon Linux 2023 is newer, and so is every system's of today."""


class BuildError(Exception):
    """There is no compiler, or it fails."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write them, or say with --check which differ. Exit status: 0 done, 1 one differs, 2 they cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m publishing.kernel", description="Write functions/montecarlo/simulation/kernel-*.b64."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    check = parser.parse_args(arguments).check
    differ = False
    try:
        for path, made in built():
            text = made.to_text()
            same = path.exists() and path.read_text(encoding="ascii", errors="replace") == text
            differ = differ or not same
            if not check:
                path.write_text(text, encoding="ascii", newline="\n")
            said = "the same bytes" if same else "differs" if check else "written"
            print(f"{path.name}: {said}, {len(made.code):,} bytes of code in {len(text):,} of text")
    except BuildError as error:
        print(f"kernel: {error}", file=sys.stderr)
        return 2
    return int(check and differ)


def built() -> Iterator[tuple[Path, Binary]]:
    """Each file's path with what belongs into it, compiled now. Raises BuildError."""
    with tempfile.TemporaryDirectory() as scratch:
        version = zig("version").strip()
        for machine in MACHINES:
            options = ["-target", target(machine), *OPTIONS, "-s"]
            library = Path(scratch, f"{machine}.so")
            zig("cc", *options, str(FOLDER / SOURCE), "-o", str(library))
            made = Binary(library.read_bytes(), binary.source_hash(), f"ziglang {version}", shlex.join(options))
            yield FOLDER / binary.file_name(machine), made


def target(machine: str) -> str:
    """What Zig compiles for: Linux on a machine, with a C library at least as old as GLIBC."""
    return f"{machine}-linux-gnu.{GLIBC}"


def zig(*arguments: str) -> str:
    """What Zig prints. Raises BuildError where there is none, or it fails."""
    if not PYTHON.exists():
        raise BuildError(f"there is no {PYTHON.parent.parent.name} with the compiler: run `make kernel`")
    command = [str(PYTHON), "-m", "ziglang", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
