from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from epiluma.examples import example_photos, write_examples
from epiluma.taxonomy import ISIC_2019


def test_six_different_examples_that_say_they_are_drawn() -> None:
    examples = example_photos()
    assert len(examples) == 6
    for field in ("name", "title", "diagnosis", "jpeg"):
        assert len({getattr(example, field) for example in examples}) == 6, field
    for example in examples:
        assert "drawing" in example.note
        assert example.diagnosis in ISIC_2019.codes


def test_examples_are_small_photos_that_carry_their_origin() -> None:
    for example in example_photos():
        assert len(example.jpeg) < 90_000, "six of them load on a phone"
        with Image.open(io.BytesIO(example.jpeg)) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (600, 450))
            assert b"not a photograph" in image.info["comment"]
            assert b"CC0" in image.info["comment"]


def test_benign_and_malignant_are_both_shown() -> None:
    assert {ISIC_2019[example.diagnosis].malignant for example in example_photos()} == {True, False}


def test_write_examples_makes_the_folder_and_can_be_repeated(tmp_path: Path) -> None:
    paths = write_examples(tmp_path / "new" / "examples")
    assert [path.stem for path in paths] == [example.name for example in example_photos()]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_examples(tmp_path / "new" / "examples")] == before
    assert before == [example.jpeg for example in example_photos()]
