"""Where a step runs: what `steps.protocol.Host` asks for, made of the environment; logs; Lambda's handlers."""
