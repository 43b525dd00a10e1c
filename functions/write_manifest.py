"""WriteManifest: check that every file of a generated portfolio is there, and list them."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.write_manifest import step

handler = handler_of(step)
