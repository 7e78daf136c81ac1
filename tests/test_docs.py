"""The documents say what the code does: links, paths, commands, fields, keys and defaults."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from epiluma import cli, predictions
from epiluma.augmentation import RECIPES
from epiluma.bundle import Manifest
from epiluma.datasets.catalog import CATALOG
from epiluma.datasets.inspection import MEASURES
from epiluma.datasets.manifest import Entry
from epiluma.datasets.record import Sample
from epiluma.datasets.rules import Rules
from epiluma.export import config
from epiluma.models.registry import PRESETS, SEGMENTERS
from epiluma.training import recipe

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
DECISIONS = ROOT / "docs" / "decisions"
WRITTEN_IN = ("docs", "models", "configs", "src", "tests", "scripts")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for folder in WRITTEN_IN for page in (ROOT / folder).rglob("*.md"))],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())

FENCE = re.compile(r"^( *)```(\S*) *(.*?)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|^\[[^\]]+\]: *(\S+)|(?:src|href)=\"([^\"]+)\"", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
REPOSITORY_PATH = re.compile(r"(?:src|tests|docs|configs|requirements|models|scripts|\.ci)/[^\s*<>{}]*")
SOMEBODYS_MACHINE = re.compile(r"(?:/home/(?!ada\b)|/Users/|/root/|/work/|/tmp/|\.\./shared|\b[A-Za-z]:\\)\S*")
"""Ada is the invented person of the examples."""
SHELL = {"", "sh", "console", "bash"}
"""Languages of blocks that hold commands; other text is marked as `text`."""
SHELL_OPERATORS = {">", "2>", "|", "&", "&&", ";"}


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", read(page))


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(name, all cells) of each table row that starts with one name in code."""
    for line in read(page).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.lstrip().startswith("|") and (name := re.fullmatch(r"`([^`]+)`", cells[0])):
            yield name[1], cells


def fields(kind: msgspec.inspect.Type, path: str) -> Iterator[tuple[str, msgspec.inspect.Field | None]]:
    """Dotted path of everything in a record that has no parts: `[]` for items of a list, `*` for names of a table."""
    inspect = msgspec.inspect
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            below = list(fields(field.type, f"{path}.{field.encode_name}" if path else field.encode_name))
            yield from ((name, inner or field) for name, inner in below)
    elif isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StructType):
        yield from fields(kind.item_type, f"{path}[]")
    elif isinstance(kind, inspect.DictType):
        yield from fields(kind.value_type, f"{path}.*")
    elif isinstance(kind, inspect.UnionType):
        yield path, None
        for option in kind.types:
            if isinstance(option, inspect.StructType):
                yield from fields(option, path)
    else:
        yield path, None


def commands(group: click.Group = cli.main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words after `epiluma` name, and the words that remain."""
    found: click.Command = cli.main
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        assert words[0] in found.commands, f"no command {words[0]!r}; there are {', '.join(found.commands)}"
        found, words = found.commands[words[0]], words[1:]
    return found, words


def is_broken(link: str, page: Path) -> bool:
    """Whether a relative link leads out of the repository, to no file, or to no heading."""
    file, _, fragment = link.partition("#")
    target = (page.parent / file).resolve() if file else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return True
    return bool(fragment) and (target.suffix != ".md" or fragment not in anchors(target))


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [next(filter(None, groups)) for groups in LINK.findall(prose(page))]
    assert [link for link in links if not re.match(r"[a-z]+:", link) and is_broken(link, page)] == []


@each_page
def test_every_path_of_the_repository_exists(page: Path) -> None:
    named = [path for path in INLINE.findall(prose(page)) if REPOSITORY_PATH.fullmatch(path) and "NAME" not in path]
    assert [path for path in named if not (ROOT / path).exists()] == []


@each_page
def test_no_page_knows_somebodys_machine(page: Path) -> None:
    assert SOMEBODYS_MACHINE.findall(read(page)) == []
    assert str(ROOT) not in read(page)


@each_page
def test_quoted_code_is_in_its_file(page: Path) -> None:
    for _, _, info, block in FENCE.findall(read(page)):
        if info.startswith("from="):
            source = read(ROOT / info.removeprefix("from="))
            for line in block.splitlines():
                assert line.strip() in source, f"{info} no longer holds: {line.strip()}"


@each_page
def test_every_command_in_a_block_can_be_typed(page: Path) -> None:
    for _, language, _, block in FENCE.findall(read(page)):
        if language not in SHELL:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            words = words[next((i for i, word in enumerate(words) if word not in ("$", "nohup")), 0) :]
            if words[:1] != ["epiluma"]:
                continue
            end = next((i for i, word in enumerate(words) if word in SHELL_OPERATORS), len(words))
            command, arguments = find_command(words[1:end])
            try:
                command.make_context(line, list(arguments)).close()
            except click.UsageError as error:
                pytest.fail(f"{line.strip()}: {error.format_message()}")


@each_page
def test_every_command_in_a_sentence_exists(page: Path) -> None:
    for text in INLINE.findall(prose(page)):
        words = text.split()
        if words[0] != "epiluma" or len(words) == 1 or words[1].isupper():
            continue
        command, arguments = find_command(words[1:])
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {"--help", "--version"} if command is cli.main or words[1].isupper() else {"--help"}
        assert {word for word in arguments if word.startswith("--")} <= known, text


def test_the_command_reference_has_a_section_for_each_command() -> None:
    page = read(REFERENCE / "cli.md")
    expected = []
    for name, command in commands():
        with command.make_context(name, [], resilient_parsing=True) as context:
            pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
        expected.append(" ".join(("epiluma", name, *pieces)))
    assert sorted(re.findall(r"^## (epiluma .+)$", page, re.MULTILINE)) == sorted(expected)


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_command_reference_lists_each_option_with_its_default(name: str, command: click.Command) -> None:
    section = re.split(rf"^## epiluma {name}\b", read(REFERENCE / "cli.md"), flags=re.MULTILINE)[1].split("\n## ")[0]
    listed = {option: line for line in section.splitlines() for option in re.findall(r"^\| `(--[a-z0-9-]+)", line)}
    options = {max(p.opts, key=len): p for p in command.params if isinstance(p, click.Option)}
    assert set(listed) == set(options)
    for option, parameter in options.items():
        default = parameter.to_info_dict()["default"]
        if not parameter.required and not parameter.is_flag and isinstance(default, str | int | Path):
            assert str(default) in listed[option], f"{option} is {default} when not given"


def test_the_bundle_reference_has_each_field_of_the_manifest() -> None:
    documented = [name for name, cells in rows(REFERENCE / "bundle.md") if len(cells) == 2]
    actual = {name for name, _ in fields(msgspec.inspect.type_info(Manifest), "")}
    # The table of files comes first on the page.
    assert set(documented) - {"manifest.json", "bundle.id"} == actual


def recipe_keys() -> dict[str, object]:
    """Key -> default as TOML has it; None when the key is required."""
    training = fields(msgspec.inspect.type_info(recipe.Recipe), "")
    shipping = fields(msgspec.inspect.type_info(config.Shipping), "bundle")
    found: dict[str, object] = {}
    for name, field in (*training, *shipping):
        assert field is not None
        default = None if field.required else field.default
        if default is not None:
            default = (
                "unset" if default in (msgspec.UNSET, msgspec.NODEFAULT) else msgspec.to_builtins(default, enc_hook=str)
            )
        found[name] = list(default) if isinstance(default, tuple) else default
    return found


def test_the_recipe_reference_has_each_key_with_its_default() -> None:
    documented = {}
    for name, cells in rows(REFERENCE / "recipe.md"):
        if len(cells) == 4:
            default = cells[2].strip("`")
            known = {"required": None, "unset": "unset"}
            documented[name] = known[default] if default in known else tomllib.loads(f"value = {default}")["value"]
    assert documented == recipe_keys()


@pytest.mark.parametrize(
    ("page", "name"),
    [
        *(("data.md", name) for name in sorted(CATALOG)),
        *(("models.md", name) for name in sorted({**PRESETS, **SEGMENTERS})),
        *(("augmentation.md", name) for name in sorted(RECIPES)),
    ],
)
def test_the_references_name_what_can_be_chosen(page: str, name: str) -> None:
    assert f"`{name}`" in read(REFERENCE / page)


def test_the_data_reference_has_each_column_of_the_manifest() -> None:
    documented = {name for line in read(REFERENCE / "data.md").splitlines() for name in column_names(line)}
    facts = {field.name for struct in (Sample, Entry) for field in msgspec.structs.fields(struct)}
    assert facts - {"sample"} <= documented
    assert documented - facts <= {"official_part", *CATALOG}


def test_the_curation_reference_has_each_rule_with_its_default() -> None:
    documented = {name: cells[2].strip("`") for name, cells in rows(REFERENCE / "curation.md") if len(cells) == 4}
    actual = {}
    for name, field in fields(msgspec.inspect.type_info(Rules), ""):
        whole = field is None or name.endswith(".*")
        actual[name] = None if whole else msgspec.to_builtins(field.default)
    given = {
        name: None if default == "–" else tomllib.loads(f"value = {default}")["value"]
        for name, default in documented.items()
    }
    assert given == {name: list(default) if isinstance(default, tuple) else default for name, default in actual.items()}


def test_the_inspection_reference_has_each_measure() -> None:
    lines = read(REFERENCE / "inspection.md").splitlines()
    assert {name for line in lines for name in column_names(line)} >= set(MEASURES)


def column_names(line: str) -> list[str]:
    """The names in code in the first cell of a table row."""
    return re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("| `") else []


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_recipes_that_come_with_the_project_can_be_read(path: Path) -> None:
    assert recipe.load(path).name == path.stem
    if "[bundle]" in path.read_text(encoding="utf-8"):
        assert config.load(path).size >= 32


def test_the_predictions_reference_has_each_field_and_column() -> None:
    page = REFERENCE / "predictions.md"
    header = {field.name for field in msgspec.structs.fields(predictions.Header)}
    columns = ["image_id", "group", "part", "truth", "diagnosis", "referred", "p_<code>"]
    assert {name for name, _ in rows(page)} == header | set(columns)


def test_the_example_in_the_predictions_reference_can_be_read(tmp_path: Path) -> None:
    blocks = FENCE.findall(read(REFERENCE / "predictions.md"))
    (example,) = (block for _, language, _, block in blocks if language == "csv")
    (tmp_path / "example.csv").write_text(example, encoding="utf-8")
    table = predictions.read(tmp_path / "example.csv")
    assert [table.header.codes[i] if i >= 0 else "" for i in table.diagnosis] == ["MEL", "NV", ""]
    predictions.write(table, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text(encoding="utf-8") == example


def test_every_dependency_is_listed_with_its_licence() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    declared = {"Base": project["dependencies"], **project["optional-dependencies"]}
    sections = re.split(r"^## (?:Extra `)?(\w+)`?$", read(DECISIONS / "0012-dependencies.md"), flags=re.MULTILINE)
    for name, section in zip(sections[1::2], sections[2::2], strict=True):
        table = dict(re.findall(r"^\| ([\w-]+) \| ([^|]*\w[^|]*) \|", section, re.MULTILINE))
        packages = {re.match(r"[\w-]+", line)[0] for line in declared.pop(name)} - {"epiluma"}
        assert {package.lower() for package in table} - {"package"} == {package.lower() for package in packages}
    assert declared == {}


def test_every_decision_is_in_the_index_in_order() -> None:
    notes = sorted(path.name for path in DECISIONS.glob("*.md"))
    assert re.findall(r"\(decisions/([^)]+)\)", read(ROOT / "docs" / "README.md")) == notes
    for number, note in enumerate(notes, 1):
        assert note.startswith(f"{number:04}-")
        text = read(DECISIONS / note)
        assert text.startswith(f"# {number}. ")
        if "Dependencies" not in text.splitlines()[0]:
            assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == [
                "Context",
                "Decision",
                "Consequences",
                "Weighed",
            ]
