"""Plan: check the request, draw the scenarios, deal the portfolio out to groups; or plan the next wave of scenarios."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.plan import step

handler = handler_of(step)
