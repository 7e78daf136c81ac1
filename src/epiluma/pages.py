"""Templates of the reports that are one page: everything is escaped, and a name that is not given is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2


def template(package: str, name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """The template file `name` that lies beside the modules of a package, with further filters by name."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(filters)
    return environment.get_template(name)
