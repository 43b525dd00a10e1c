"""`make layers`: is the pinned layer AWS SDK for pandas the newest, and do both layers fit a function?

Asks the package index that pip is set up for. Nothing else needs it: it is no part of a deployment or of the tests.
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from publishing.templates import read

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"

LIMIT_MIB = 250
"""A function's code and layers, unpacked. Source: AWS Lambda Developer Guide, "Lambda quotas"."""

# What the layers are made of, by their build scripts, and what those leave out.
SDK_FOR_PANDAS = "awswrangler[redshift,mysql,postgres,gremlin,opensearch,openpyxl]"
POWERTOOLS = "aws-lambda-powertools[all]"
LEFT_OUT = ("boto3-", "botocore-", "s3transfer-")

PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


def main() -> int:
    """Print both answers. Returns 1 where a newer release than the pinned one is out."""
    pinned = read(TEMPLATE.read_text(encoding="utf-8"))["Metadata"]["SdkForPandasRelease"]
    newest = newest_release(pip("index", "versions", "awswrangler"))
    print(f"AWS SDK for pandas: template.yaml has the layers of {pinned}; the newest release is {newest}.")
    if newest != pinned:
        print("Its documentation, AWS Lambda Managed Layers, has the layer's version in each Region: copy all of them.")

    total = 0
    for name, requirement in (("AWS SDK for pandas", f"{SDK_FOR_PANDAS}=={pinned}"), ("Powertools", POWERTOOLS)):
        size = sum(unpacked_bytes(wheel) for wheel in wheels(requirement))
        total += size
        print(f"{name}: {size / 2**20:.0f} MiB unpacked, an upper bound from the wheels for arm64")
    print(
        f"Together at most {total / 2**20:.0f} MiB; a function may have {LIMIT_MIB}. The bound is not the size: the "
        "layer has a pyarrow of its own, built smaller than the wheel. Only the account can tell the size."
    )
    return int(newest != pinned)


def newest_release(printed: str) -> str:
    """The newest release in what `pip index versions` prints. Raises ValueError where it names none."""
    found = re.match(r"\S+ \(([\w.]+)\)", printed)
    if found is None:
        raise ValueError(f"pip index versions printed no release: {printed[:200]!r}")
    return found[1]


def wheels(requirement: str) -> Iterator[Path]:
    """The wheels of a requirement and of all that it needs, for Lambda's Python on arm64; gone after the last."""
    with tempfile.TemporaryDirectory() as folder:
        platforms = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
        pip("download", "--only-binary", ":all:", *platforms, "--python-version", "3.13", "--dest", folder, requirement)
        yield from sorted(path for path in Path(folder).glob("*.whl") if not path.name.startswith(LEFT_OUT))


def unpacked_bytes(wheel: Path) -> int:
    """The size of a wheel's files, without the tests, which the layers leave out."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(file.file_size for file in archive.infolist() if "/tests/" not in file.filename)


def pip(*arguments: str) -> str:
    """Run pip and return what it printed. Exits with what it said where it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"layers: pip {arguments[0]} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
