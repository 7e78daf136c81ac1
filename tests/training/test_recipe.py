"""From TOML and overrides to one frozen tree; whatever is wrong is named with file and key."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from epiluma.training import recipe
from epiluma.training.recipe import Recipe, RecipeError
from tests.tiny_project import RECIPE

DEFAULT = Path(__file__).parents[2] / "configs" / "ham10000-mobilenetv2.toml"


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.format(folder="x", epochs=2), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(DEFAULT.parent.glob("*.toml")), ids=lambda path: path.name)
def test_the_committed_recipes_load(path: Path) -> None:
    assert recipe.load(path).name == path.stem


def test_the_default_recipe_s_split_is_committed() -> None:
    assert (DEFAULT.parents[1] / recipe.load(DEFAULT).data.split).is_file()


def test_defaults_fill_what_the_file_leaves_out(toml: Path) -> None:
    loaded = recipe.load(toml)
    assert (loaded.name, loaded.seed, loaded.epochs) == ("tiny", 3, 3)
    assert loaded.data.root == Path("x/data")
    assert loaded.model.weights == ""
    assert loaded.optimiser.weight_decay == 0.02
    assert [phase.warmup for phase in loaded.phases] == [0.05, 0.05]


def test_data_come_from_a_manifest_or_from_a_set(toml: Path) -> None:
    either = "give either manifest, or set, root and split; given: "
    with pytest.raises(RecipeError, match=either + "manifest, set, root, split"):
        recipe.load(toml, ("data.manifest=x.parquet",))
    with pytest.raises(RecipeError, match=either + "none"):
        recipe.load(toml, ("data={cache_size=64}",))
    with pytest.raises(RecipeError, match="merge further sets into the manifest instead"):
        recipe.load(toml, ('data={manifest="x.parquet", also=[{set="isic2017", root="x"}]}',))
    loaded = recipe.load(toml, ('data={manifest="sets/all.parquet"}',))
    assert loaded.data.name == "all"
    always = {"also", "exclude", "cache", "cache_size"}
    assert set(json.loads(loaded.resolved())["data"]) == {"manifest", *always}
    assert set(json.loads(recipe.load(toml).resolved())["data"]) == {"set", "root", "split", *always}


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("name=other-name", "name", "other-name"),
        ('name="quoted"', "name", "quoted"),
        ("phases.1.learning_rate=0.02", "phases.1.learning_rate", 0.02),
        ("phases.0.learning_rate=1", "phases.0.learning_rate", 1.0),
        ("phases.-1.size=64", "phases.1.size", 64),
        ("phases.0.name=warm = up", "phases.0.name", "warm = up"),
        ("optimiser.average=0.0", "optimiser.average", 0.0),
        ("loss.label_smoothing=0.1", "loss.label_smoothing", 0.1),
        ("data.root=/other/place", "data.root", "/other/place"),
        ('model={architecture="mobilenetv2", dropout=0.3}', "model.dropout", 0.3),
        ("model.weights=", "model.weights", ""),
    ],
)
def test_an_override_changes_one_key(toml: Path, override: str, key: str, value: object) -> None:
    found: object = json.loads(recipe.load(toml, (override,)).resolved())
    for name in key.split("."):
        found = found[int(name)] if isinstance(found, list) else found[name]  # type: ignore[index]
    assert found == value


def test_later_overrides_win(toml: Path) -> None:
    assert recipe.load(toml, ("seed=1", "seed=2")).seed == 2


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("seed", "--set seed: expected key=value"),
        ("phases.7.size=64", r"--set phases\.7\.size=64: the recipe has no 'phases\.7\.size'"),
        ("phases.first.size=64", r"the recipe has no 'phases\.first\.size'"),
        ("nothing.here=1", r"tiny\.toml: .*unknown field `nothing`"),
        ("seed.x=1", r"the recipe has no 'seed\.x'"),
        ("seed.x.y=1", r"the recipe has no 'seed\.x\.y'"),
        ("data.root.x.y=1", r"the recipe has no 'data\.root\.x\.y'"),
        ("phases.1.learning_rat=0.02", r"tiny\.toml: .*`learning_rat`.*phases\[1\].*did you mean `learning_rate`\?"),
        ("optimizer.average=0", r"unknown field `optimizer`; did you mean `optimiser`\?"),
        ("optimiser.batchsize=4", r"tiny\.toml: .*`batchsize`.*did you mean `batch_size`\?"),
        ("zzz=4", r"tiny\.toml: .*unknown field `zzz`$"),
        ("seed=three", r"tiny\.toml: Expected `int`, got `str` - at `\$\.seed`"),
        ("seed=-1", r"tiny\.toml: Expected `int` >= 0 - at `\$\.seed`"),
        ("seed=4294967296", r"tiny\.toml: Expected `int` .* at `\$\.seed`"),
        ("data.root=3", r"tiny\.toml: expected a path, got 3.*data\.root"),
        ("phases.0.size=2000", r"tiny\.toml: .*phases\[\.*0?\.*\]?.*size|tiny\.toml: Expected `int` <= 1024"),
        ("phases.0.train=neck", r"tiny\.toml: Invalid enum value 'neck'.*train"),
        ("phases.0.learning_rate=0", r"tiny\.toml: Expected `float` > 0"),
        ("phases.0.learning_rate=nan", r"tiny\.toml: "),
        ("optimiser.average=1", r"tiny\.toml: Expected `float` < 1"),
        ("phases=[]", r"tiny\.toml: Expected `array` of length >= 1"),
        ("name=With Spaces", r"tiny\.toml: Expected `str` matching regex"),
        ("model.architecture=mobilenetv3x", r"tiny\.toml: model: .*'mobilenetv3x'.*mobilenetv2"),
        ("model.architecture=light", r"tiny\.toml: model\.masks: light segments; say `lesion` or `diagnosis`"),
        ("loss.distillation=0.5", r"tiny\.toml: model\.teacher and loss\.distillation go together"),
        ("model.teacher=x", r"tiny\.toml: model\.teacher and loss\.distillation go together"),
        ("phases.0.train=0", r"tiny\.toml: "),
        ("phases.1.augmentation=flip", r"tiny\.toml: phases\.1\.augmentation: unknown 'flip'; known are .*flips"),
    ],
)
def test_what_is_wrong_is_named(toml: Path, override: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        recipe.load(toml, (override,))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"[data]\nset = 1\n", b""])
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"bad\.toml: "):
        recipe.load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: No such file"):
        recipe.load(tmp_path / "none.toml")


def test_the_resolved_recipe_is_the_whole_recipe(toml: Path) -> None:
    loaded = recipe.load(toml)
    read = msgspec.json.decode(loaded.resolved(), type=Recipe, dec_hook=lambda kind, value: kind(value))
    assert read == loaded
    assert read.sha256 == loaded.sha256
    assert loaded.resolved().endswith(b"}\n")


def test_the_resolved_recipe_names_every_default(toml: Path) -> None:
    tree = json.loads(recipe.load(toml).resolved())
    parts = {"data": recipe.Data, "model": recipe.Model, "loss": recipe.Loss, "optimiser": recipe.Optimiser}
    unset = {"manifest", "fold", "allow_leakage", "taxonomy", "centre"}
    for name, part in parts.items():
        assert set(tree[name]) == set(part.__struct_fields__) - unset
    assert set(tree["phases"][0]) == set(recipe.Phase.__struct_fields__)


def test_what_is_shipped_does_not_change_the_run(toml: Path) -> None:
    before = recipe.load(toml).sha256
    toml.write_text(toml.read_text().replace('licence = "CC0-1.0"', 'licence = "other"'))
    assert recipe.load(toml).sha256 == before
    toml.write_text(toml.read_text().partition("[bundle]")[0])
    assert recipe.load(toml).sha256 == before
    toml.write_text(toml.read_text().replace("seed = 3", "seed = 4"))
    assert recipe.load(toml).sha256 != before


def test_epochs_belong_to_phases_in_turn(toml: Path) -> None:
    loaded = recipe.load(toml, ("phases.0.epochs=2", "phases.1.epochs=3"))
    assert [(phase.name, first) for phase, first in map(loaded.phase_at, range(5))] == (
        [("head", 0)] * 2 + [("all", 2)] * 3
    )
    with pytest.raises(IndexError, match="epoch 5 is past the last phase"):
        loaded.phase_at(5)


def test_a_recipe_does_not_change(toml: Path) -> None:
    with pytest.raises(AttributeError):
        recipe.load(toml).seed = 5  # type: ignore[misc]
