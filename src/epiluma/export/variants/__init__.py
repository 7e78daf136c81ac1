"""One network in other formats: how each is made from the fp32 graph, how it is run, and how far it differs."""

from epiluma.export.variants.certificate import (
    Certificate,
    Judged,
    Limits,
    OutsideLimits,
    certificate,
    judge,
    outlined,
    require,
)
from epiluma.export.variants.formats import FORMATS, convert, load, run
from epiluma.export.variants.network import Network, Outputs, Payload, VariantError

__all__ = [
    "FORMATS",
    "Certificate",
    "Judged",
    "Limits",
    "Network",
    "Outputs",
    "OutsideLimits",
    "Payload",
    "VariantError",
    "certificate",
    "convert",
    "judge",
    "load",
    "outlined",
    "require",
    "run",
]
