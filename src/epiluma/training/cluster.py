"""Training on several machines: Ray Train starts the processes, and starts them again when a machine is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from epiluma.training import run
from epiluma.training.recipe import Recipe, RecipeError, parse


def train(
    recipe: Recipe,
    folder: Path,
    *,
    workers: int,
    address: str | None = None,
    gpu: bool = False,
    failures: int = 3,
    track: Sequence[str] = (),
) -> Path:
    """Train on `workers` processes of a Ray cluster; returns the checkpoint.

    `folder`, the data and the cache must lie where every machine sees them under the same path. When a machine or a
    process is lost, all workers start again from the last epoch's checkpoint in `folder`, up to `failures` times in a
    row; -1 for ever. `address` is the cluster's, or None for one that runs here or is started here.

    Raises RecipeError when Ray is not installed, or when the run fails more often than that.
    """
    try:
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.base_trainer import TrainingFailedError
        from ray.train.torch import TorchConfig, TorchTrainer
    except ModuleNotFoundError as error:
        raise RecipeError("training on a cluster needs Ray; `pip install epiluma[scale]`") from error
    folder = folder.absolute()
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=True)
    trainer = TorchTrainer(
        _work,
        train_loop_config={"recipe": recipe.resolved(), "folder": str(folder), "track": list(track)},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(
            name=folder.name, storage_path=str(folder.parent / "ray"), failure_config=FailureConfig(failures)
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise RecipeError(f"{folder}: training failed on the cluster ({error}); start it again to go on") from error
    return folder / run.CHECKPOINT


def _work(task: dict[str, object]) -> None:
    """What each worker does."""
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    folder = Path(str(task["folder"]))
    resolved = task["recipe"]
    assert isinstance(resolved, bytes)
    track = task["track"]
    assert isinstance(track, list)
    run.train(
        parse(msgspec.json.decode(resolved), folder / run.RECIPE),
        folder,
        track=track,
        plugins=[RayLightningEnvironment()],  # type: ignore[no-untyped-call]
        strategy=RayDDPStrategy(find_unused_parameters=True),  # type: ignore[no-untyped-call]
    )
