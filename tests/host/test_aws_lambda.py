"""What surrounds a step in Lambda."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"


@pytest.mark.parametrize("state", ["plan", "simulate_chunk", "aggregate"])
def test_a_function_starts_without_pandas(state: str) -> None:
    """PyArrow would import it, which takes longer than most of what a function needs."""
    code = f"import sys, {state}, pyarrow; pyarrow.array([1]); sys.exit('pandas' in sys.modules)"
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_DEFAULT_REGION": "us-east-1", "DATA_BUCKET": "bucket"}
    subprocess.run([sys.executable, "-c", code], cwd=FUNCTIONS, env={**os.environ, **environment}, check=True)
