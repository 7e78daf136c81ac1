"""Drawn photos to try the page with, made once per worker process."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from django.utils.translation import gettext

from epiluma.examples import Example, example_photos
from epiluma.service.cases.renditions import thumbnail


@dataclass(frozen=True)
class Offered:
    """An example as the start page shows it."""

    example: Example
    small: bytes
    """Thumbnail, JPEG."""

    @property
    def name(self) -> str:
        """Its name in addresses and forms."""
        return self.example.name

    @property
    def title(self) -> str:
        """What it shows, in the reader's language."""
        return gettext(self.example.title)


@functools.cache
def offered() -> dict[str, Offered]:
    """The examples by name, in order; the first call draws them, in about half a second."""
    return {example.name: Offered(example, thumbnail(example.jpeg)) for example in example_photos()}
