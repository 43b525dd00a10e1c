"""What a worker's container does first, where its image is one that AWS publishes: it gets the very code and the very
libraries that the stack's functions have, and becomes the worker.

The code is that of the function CODE_FUNCTION, the libraries those of the layer LAYER_ARN if it is given. Both come
with the SHA-256 that Lambda states. This text stands in the task's definition; it imports boto3, which Lambda's image
has, and the standard library.
"""

import base64
import hashlib
import io
import os
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

sys.path.append("/var/runtime")

import boto3
from botocore.config import Config


def unpack(what: str, location: str, sha256: str) -> Path:
    """Fetch an archive that has this SHA-256, and unpack it into a folder of its own."""
    with urllib.request.urlopen(location, timeout=60) as answer:
        data = answer.read()
    if base64.b64encode(hashlib.sha256(data).digest()).decode() != sha256:
        sys.exit(f"{what} is not what Lambda says it is: its SHA-256 is another.")
    folder = Path(tempfile.mkdtemp())
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
    return folder


client = boto3.client("lambda", config=Config(retries={"mode": "standard", "total_max_attempts": 10}))
function = client.get_function(FunctionName=os.environ["CODE_FUNCTION"])
code = unpack("the code", function["Code"]["Location"], function["Configuration"]["CodeSha256"])
path = [code]
if arn := os.environ.get("LAYER_ARN"):
    layer = client.get_layer_version_by_arn(Arn=arn)["Content"]
    path.append(unpack("the layer", layer["Location"], layer["CodeSha256"]) / "python")
os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, path), "/var/runtime"])
os.execv(sys.executable, [sys.executable, str(code / "worker.py")])
