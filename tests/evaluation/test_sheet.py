"""A page on a terminal and as Markdown: whatever a cell holds, it is shown as it is."""

from __future__ import annotations

import io

from rich.console import Console

from epiluma.evaluation.sheet import Page, Sheet, to_markdown, to_rich

PAGE = Page(
    preamble=[("take care", True), ("all is drawn", False)],
    sheets=[Sheet("One [b]title[/b]", ("Name", "Figure"), [("a|b [red]c[/red]", "0.123 (0.100–0.150)"), ("d", "–")])],
    footnotes=["first", "second"],
)


def test_markdown_is_written_out() -> None:
    assert to_markdown(PAGE) == (
        "**take care**\n\nall is drawn\n\n\n### One [b]title[/b]\n\n"
        "| Name | Figure |\n| --- | ---: |\n| a\\|b [red]c[/red] | 0.123 (0.100–0.150) |\n| d | – |\n\n"
        "- first\n- second\n"
    )


def test_a_terminal_folds_words_and_never_figures() -> None:
    console = Console(file=io.StringIO(), width=30)
    console.print(to_rich(PAGE))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[:2] == ["take care", "all is drawn"]
    assert any(line.endswith("0.123 (0.100–0.150)") for line in map(str.rstrip, lines))
    assert "[red]" in "".join(lines)
    assert [line.rstrip() for line in lines[-2:]] == ["first", "second"]
