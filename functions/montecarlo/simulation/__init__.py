"""The kernel: every loan in every scenario."""
