"""Makes what Terraform's stacks with workers have in common with the stack with functions.

    terraform/lambda/common.tf, variables.tf, outputs.tf, versions.tf, backend.tf.example
        -> terraform/fargate/, terraform/ec2/

What is different stands beside it in those folders, in main.tf and workers.tf. `publishing.workers` writes the files.
Imports the standard library only.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from publishing import STACKS as ALL

SOURCE = "lambda"
STACKS = tuple(stack for stack in ALL if stack != SOURCE)

FILES = ("common.tf", "variables.tf", "outputs.tf", "versions.tf", "backend.tf.example")


def made(project: Path, of_functions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(path, text) of every file that is made. of_functions: parameters that a stack with workers does not have."""
    for name in FILES:
        text = (project / "terraform" / SOURCE / name).read_text(encoding="utf-8")
        source = f"# Made by `make console` from terraform/{SOURCE}/{name}: change that.\n"
        for stack in STACKS:
            yield f"terraform/{stack}/{name}", source + of_workers(text, stack, of_functions)


def of_workers(text: str, stack: str, of_functions: Sequence[str]) -> str:
    """A file of the stack with functions as a stack with workers has it."""
    for parameter in of_functions:
        text = re.sub(rf'^variable "{snake(parameter)}" \{{\n.*?^\}}\n\n', "", text, flags=re.DOTALL | re.MULTILINE)
    # Stacks of both kinds may be in one account: each has a name and a state of its own.
    text = text.replace('default     = "montecarlo"\n', f'default     = "montecarlo-{stack}"\n')
    text = text.replace(f"montecarlo/{SOURCE}.tfstate", f"montecarlo/{stack}.tfstate")
    return text.replace("as template.yaml has", f"as template-{stack}.yaml has")


def snake(name: str) -> str:
    """A parameter's name as Terraform has it: `FedRate` -> `fed_rate`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
