"""A report before it is drawn, and how it is drawn: for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

NONE = "–"
"""Stands where there is nothing to say."""


class Sheet(NamedTuple):
    """A table; the first `words` columns are text, the others figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: int = 1


class Page(NamedTuple):
    """A report: lines, tables, footnotes."""

    preamble: Sequence[tuple[str, bool]]
    """Lines above the tables, and whether each is a warning."""
    sheets: Sequence[Sheet]
    footnotes: Sequence[str]


def to_rich(page: Page) -> Group:
    """Tables for a terminal; figures are never cut or wrapped."""
    return Group(
        *(Text(line, style="bold red" if warning else "") for line, warning in page.preamble),
        *(_rich_table(sheet) for sheet in page.sheets),
        Text(),
        *(Text(line) for line in page.footnotes),
    )


def to_markdown(page: Page) -> str:
    """The same tables for a model card."""
    lines = [f"**{line}**\n" if warning else f"{line}\n" for line, warning in page.preamble]
    for sheet in page.sheets:
        lines += [f"\n### {sheet.title}\n", _pipes(sheet.columns)]
        lines += [_pipes(tuple("---" if i < sheet.words else "---:" for i in range(len(sheet.columns))))]
        lines += [_pipes(row) for row in sheet.rows]
    lines += ["", *(f"- {line}" for line in page.footnotes)]
    return "\n".join(lines) + "\n"


def _rich_table(sheet: Sheet) -> Table:
    table = Table(
        title=f"\n{sheet.title}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for i, column in enumerate(sheet.columns):
        word = i < sheet.words
        table.add_column(column, justify="left" if word else "right", no_wrap=not word, overflow="fold")
    for row in sheet.rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _pipes(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
