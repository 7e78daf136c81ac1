"""What can be wrong with the network that is asked for."""

from __future__ import annotations

from epiluma.errors import EpilumaError


class UnknownModel(EpilumaError):
    """A network that neither the registry nor timm holds."""


class UnsuitableModel(UnknownModel):
    """A network that exists and cannot do what is asked of it."""


class WeightsError(EpilumaError):
    """Weights that are not there, cannot be read, or belong to another network."""
