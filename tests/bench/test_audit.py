"""The bench looks at every image twice, and the second time at no pixel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from epiluma.bench import audit
from epiluma.imaging.synthetic import write_folder


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> audit.AuditBench:
    folder = tmp_path_factory.mktemp("bench")
    root = write_folder(folder / "ham", count=40, seed=3, size=(160, 120))
    return audit.measure([f"ham10000={root}"], bundle=None, cache=folder / "cache")


def test_both_passes_see_every_image(measured: audit.AuditBench) -> None:
    assert (measured.images, measured.omitted) == (40, 0)
    assert [one.name for one in measured.passes] == ["cold", "warm"]
    for one in measured.passes:
        assert one.images_per_second == pytest.approx(40 / one.seconds)
    assert measured.peak_mb > 50


def test_the_table_and_the_json_say_the_same(
    measured: audit.AuditBench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(audit, "DRAWN", 12)
    audit.run([], bundle=None, features=False, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["images"] == 12
    assert audit.render(measured).row_count == 2
