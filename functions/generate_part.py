"""GeneratePart: generate one file of loans."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.generate_part import step

handler = handler_of(step)
