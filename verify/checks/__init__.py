"""The checks, in the order of the contract. Each yields what it saw where the row does not hold."""

from verify.checks import reach, truth, static, limits, headers  # isort: skip

__all__ = ["headers", "limits", "reach", "static", "truth"]
