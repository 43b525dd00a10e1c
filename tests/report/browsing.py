"""A page in a browser without a window: what a script finds there, and what the browser complains of."""

import json
import re
import subprocess
import tempfile
from base64 import b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

from cli import browser

AXE = Path(__file__).resolve().parents[2] / "requirements" / "node_modules" / "axe-core" / "axe.min.js"
DARK = "--blink-settings=preferredColorScheme=0"


def found_by(page: str, script: str, *options: str) -> tuple[Any, list[str]]:
    """What a script hands to `tell`, and the lines of the browser's console. The page keeps its own policy, to which
    the script's hash is added.
    """
    told = "const tell = (found) => { document.title = 'told:' + JSON.stringify(found); };"
    whole = f"{told}\n{script}"
    digest = b64encode(sha256(whole.encode()).digest()).decode()
    assert "</script" not in whole
    opened = page.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    opened = opened.replace("</body>", f"<script>{whole}</script></body>")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        file = Path(scratch) / "page.html"
        file.write_text(opened, encoding="utf-8")
        program = browser.find()
        assert program
        command = [
            *(program, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}/profile"),
            *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000", "--dump-dom", *options),
            file.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, timeout=90, check=True)
    title = re.search(r"<title>told:(.*?)</title>", done.stdout.decode(), re.DOTALL)
    assert title, "the script told nothing"
    complaints = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return json.loads(unescape(title[1])), complaints
