"""Time, load, energy and cost, worked out by hand from the records of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from epiluma import predictions
from epiluma.bundle import Bundle
from epiluma.comparison import cost
from epiluma.comparison import run as runs
from epiluma.comparison.cost import Price
from epiluma.inference import timing
from epiluma.inference.timing import Latency, Timing, TimingError
from epiluma.predictions import Predictions


def test_training_is_worked_out_by_hand(full: Path) -> None:
    found = cost.of_training(runs.read(full), Price(0.3))
    assert found["training_minutes"].value == 5
    assert found["images_per_second"].value == pytest.approx(3 * 640 / 300)
    assert found["cpu_percent"].value == pytest.approx((10 * 50 + 30 * 80) / 40)
    assert found["memory_mb"].value == 3000
    assert found["energy_wh"].value == pytest.approx(20)
    assert found["training_cost"].value == pytest.approx(0.3 * 2 * 300 / 3600)
    for key in ("gpu_percent", "gpu_memory_mb", "gpu_energy_wh"):
        assert found[key].value is None
        assert "no GPU" in found[key].note


def test_what_was_not_recorded_is_missing_with_the_reason(bare: Path) -> None:
    (bare / "environment.json").unlink()
    run = runs.read(bare)
    found = cost.of_training(run, Price(0.3)) | cost.of_use(run, None, Price(0.3), images=5)
    missing = {key: cell.note for key, cell in found.items() if cell.value is None}
    assert set(found) - set(missing) == {"training_minutes"}
    assert missing["images_per_second"] == "log.jsonl does not count `images`"
    assert missing["cpu_percent"] == missing["energy_wh"] == "no usage.csv"
    assert "environment.json" in missing["training_cost"]
    assert missing["latency_p50_ms"] == missing["cost_per_1000"] == "no timing.json, and no exported graph here"
    assert missing["evaluation_minutes"] == "neither in timing.json nor in usage.csv"


def test_energy_without_a_counter_is_not_readable(full: Path) -> None:
    table = full / "usage.csv"
    table.write_text(table.read_text().replace("36000", "").replace("72000", "").replace("90000", ""))
    assert cost.of_training(runs.read(full), None)["energy_wh"].note == cost.NOT_READABLE


def test_a_run_before_its_first_epoch_has_no_times(bare: Path) -> None:
    (bare / "log.jsonl").write_text("")
    found = cost.of_training(runs.read(bare), Price(1))
    assert {found[key].note for key in ("training_minutes", "images_per_second", "training_cost")} == {
        "no epoch in log.jsonl"
    }


def test_an_evaluation_is_taken_from_the_export_s_record_first(full: Path) -> None:
    found = cost.of_use(runs.read(full), None, None, images=0)
    assert found["evaluation_minutes"].value == pytest.approx(1)
    latency = Latency(p50_ms=9.0, p99_ms=12.0, images=120, size=224, views=4, runtime="onnxruntime 1.23.0")
    timing.write(Timing(evaluation_seconds=90, latency=latency, graph_bytes=8_900_000, parameters=2_234_120), full)
    found = cost.of_use(runs.read(full), None, Price(0.36), images=5)
    assert found["evaluation_minutes"].value == pytest.approx(1.5)
    assert (found["latency_p50_ms"].value, found["latency_p99_ms"].value) == (9.0, 12.0)
    assert "from timing.json, 224 px, 4 views, 120 images" in found["latency_p50_ms"].note
    assert found["size_mb"].value == pytest.approx(8.9)
    assert found["weights_m"].value == pytest.approx(2.23412)
    # 9 ms a photo are 9 s for 1,000: 1/400 of a core-hour
    assert found["cost_per_1000"].value == pytest.approx(0.36 / 400)


def test_a_graph_is_timed_now(full: Path, tiny_bundle: Bundle) -> None:
    (full / "model.onnx").write_bytes(tiny_bundle.graph)
    run = runs.read(full)
    graph = cost.graph_of(run, [])
    assert graph is not None
    assert graph.source == "model.onnx"
    found = cost.of_use(run, graph, None, images=5)
    assert found["latency_p50_ms"].value is not None
    assert found["latency_p50_ms"].note.startswith("timed now: model.onnx, 32 px, 5 images, one thread, onnxruntime")
    assert found["size_mb"].value == len(tiny_bundle.graph) / 1e6
    assert found["weights_m"].value == pytest.approx((3 * 8 + 8) / 1e6)
    assert cost.of_use(run, graph, None, images=0)["latency_p50_ms"].note == "no timing.json, and not timed now"


def test_a_broken_graph_is_named(full: Path) -> None:
    (full / "model.onnx").write_bytes(b"no graph")
    run = runs.read(full)
    with pytest.raises(TimingError, match=r"full: model\.onnx: the graph cannot be timed"):
        cost.of_use(run, cost.graph_of(run, []), None, images=5)


def test_a_bundle_belongs_to_the_run_that_names_it(
    full: Path, bare: Path, tiny_bundle: Bundle, draw_predictions: Callable[..., Predictions]
) -> None:
    predictions.write(draw_predictions(model=tiny_bundle.id), full / "predictions.csv")
    other = msgspec.structs.replace(tiny_bundle.manifest, views=4)
    given = Bundle(other, tiny_bundle.id, tiny_bundle.files)
    (full / "model.onnx").write_bytes(b"of the folder")
    run = runs.read(full)
    for bundles, source in (([given], f"bundle {tiny_bundle.id[:12]}"), ([], "model.onnx")):
        found = cost.graph_of(run, bundles)
        assert found is not None
        assert found.source == source
    (full / "model.onnx").unlink()
    graph = cost.graph_of(run, [], installed=[given])
    assert graph is not None
    assert (graph.data, graph.views) == (tiny_bundle.graph, 4)
    assert cost.graph_of(runs.read(bare), [given], installed=[given]) is None
