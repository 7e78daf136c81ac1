"""What a benchmark says when it cannot measure."""

from epiluma.errors import EpilumaError


class BenchError(EpilumaError):
    """A benchmark that has nothing to measure."""
