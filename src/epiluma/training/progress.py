"""What a person sees while training: the phase, the loss, images a second and the time left."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from epiluma.training.recipe import Recipe

_LINE_EVERY = 60.0
"""Seconds between lines when there is no terminal to draw a bar on."""


class Progress(Callback):
    """A bar on a terminal; a line a minute elsewhere."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.console = Console(file=sys.stderr)
        columns = (
            TextColumn("{task.description}", markup=False),  # a phase may be called "[all]"
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        self.bar = Bar(*columns, console=self.console, disable=not self.console.is_terminal)
        self.task: Any = None
        self.done = self.skipped = 0
        self.started = self.last_line = time.monotonic()

    def decoding(self, done: int, total: int) -> None:
        """Progress of the first decoding of the images."""
        if done in (1, total) or done % 1000 == 0:
            self.say(f"decoding {done:,} of {total:,}")

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the bar, at the step a resumed run starts from."""
        self.skipped = trainer.current_epoch * int(trainer.num_training_batches)
        self.started = self.last_line = time.monotonic()
        total = self.recipe.epochs * int(trainer.num_training_batches)
        self.task = self.bar.add_task("training", total=total, completed=self.skipped, note="")
        self.bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, *batch: Any) -> None:
        """Advance."""
        self.done = trainer.current_epoch * int(trainer.num_training_batches) + int(batch[1]) + 1
        elapsed = time.monotonic() - self.started
        rate = (self.done - self.skipped) / elapsed
        left = (self.recipe.epochs * int(trainer.num_training_batches) - self.done) / max(rate, 1e-9)
        phase = self.recipe.phase_at(trainer.current_epoch)[0]
        where = f"{phase.name} {trainer.current_epoch + 1}/{self.recipe.epochs}"
        note = f"loss {float(outputs['loss']):.3f}  {rate * self.recipe.optimiser.batch_size:.1f} images/s"
        self.bar.update(self.task, completed=self.done, description=where, note=note)
        if not self.console.is_terminal and time.monotonic() - self.last_line > _LINE_EVERY:
            self.last_line = time.monotonic()
            self.say(f"{where}  step {self.done}  {note}  {left / 60:.0f} min left")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the bar away."""
        self.bar.stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        self.bar.stop()

    def say(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
