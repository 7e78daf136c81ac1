"""The page's Chinese: what the service says already, from its catalogue, and what only this page says."""

from __future__ import annotations

import gettext
from pathlib import Path

import msgspec

_CATALOGUE = Path(__file__).parents[1] / "service" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.mo"
"""Read as a file: the service itself, and Django, stay out of it."""
_OWN = Path(__file__).with_name("zh.json")


def chinese() -> dict[str, str]:
    """English sentence -> Simplified Chinese."""
    with _CATALOGUE.open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    own = msgspec.json.decode(_OWN.read_bytes(), type=dict[str, str])
    said = vars(catalogue)["_catalog"]  # gettext offers no list of what it holds
    return {**{key: text for key, text in said.items() if key}, **own}
