"""After each epoch: score the network that would be exported, log it, and decide whether to go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from epiluma.training import scoring
from epiluma.training.data import Corpus
from epiluma.training.learner import Learner
from epiluma.training.recipe import Recipe

SCORE = "score"
Watch = Callable[[int, dict[str, float]], bool]
"""Told the epoch and its figures; true stops the run."""


class Validation(Callback):
    """Scores the validation part and appends a line to the log; the best epoch is kept by its score."""

    def __init__(self, corpus: Corpus, recipe: Recipe, log_file: Path, watch: Watch | None = None) -> None:
        self.corpus, self.recipe, self.log_file, self.watch = corpus, recipe, log_file, watch
        self.started = time.monotonic()
        self.best, self.best_epoch = float("-inf"), -1
        self.scored: scoring.Scored | None = None
        """What the last validation found; its logits know no class shares."""
        self.stopped = ""
        """Why the run ended before its last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What patience has to remember."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember it after a resume."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep one line per epoch: a run killed between a line and its checkpoint trains that epoch again."""
        if trainer.is_global_zero and self.log_file.is_file():
            lines = self.log_file.read_text(encoding="utf-8").splitlines(keepends=True)[: trainer.current_epoch]
            self.log_file.write_text("".join(lines), encoding="utf-8")
            if lines:  # time goes on where the run was stopped
                self.started -= json.loads(lines[-1])["seconds"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Validate the network that would be exported; the next epoch's start sets the layers' modes anew."""
        assert isinstance(pl_module, Learner)
        epoch = trainer.current_epoch
        figures = self.figures(pl_module) if trainer.is_global_zero else {}
        figures = trainer.strategy.broadcast(figures)
        pl_module.log_dict({SCORE: figures["score"]}, sync_dist=False)
        for logger in trainer.loggers:
            logger.log_metrics({f"validation/{name}": value for name, value in figures.items()}, step=epoch)
        loss = float(trainer.callback_metrics["loss"])
        if trainer.is_global_zero:
            images = int(trainer.num_training_batches) * self.recipe.optimiser.batch_size
            self._log(epoch, loss, images, figures)
        if figures["score"] > self.best:
            self.best, self.best_epoch = figures["score"], epoch
        if self.recipe.patience and epoch - self.best_epoch >= self.recipe.patience:
            self.stopped = f"no better score in {self.recipe.patience} epochs"
        if self.watch and trainer.strategy.broadcast(trainer.is_global_zero and self.watch(epoch, figures)):
            self.stopped = "stopped by whom it reports to"
        trainer.should_stop = trainer.should_stop or bool(self.stopped)

    def figures(self, learner: Learner) -> dict[str, float]:
        """The figures of the network that would be exported, at the last phase's size."""
        indices = self.corpus.parts["validation"]
        found = scoring.score(learner.best_network, self.corpus, indices, learner.input, self.recipe.phases[-1].size)
        if found.logits is not None:
            found = found._replace(logits=found.logits - learner.class_loss.offset.cpu().numpy())
        self.scored = found
        shares = self.corpus.shares("train")
        return scoring.figures(found, self.corpus.labels[indices], shares, self.corpus.taxonomy)

    def _log(self, epoch: int, loss: float, images: int, figures: dict[str, float]) -> None:
        line = {
            "epoch": epoch,
            "phase": self.recipe.phase_at(epoch)[0].name,
            "loss": loss,
            "images": images,
            **figures,
            "seconds": time.monotonic() - self.started,
        }
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}) + "\n")
