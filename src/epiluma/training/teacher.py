"""A bundle as teacher: what it says of the very images that the network is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from epiluma import bundle as bundles
from epiluma.taxonomy import Taxonomy
from epiluma.training.recipe import RecipeError


class Teacher:
    """Answers for batches of augmented images."""

    def __init__(self, path: Path, taxonomy: Taxonomy) -> None:
        """Raises BundleError, or RecipeError when the bundle knows other diagnoses."""
        import onnxruntime

        found = bundles.load(path)
        if found.manifest.taxonomy.codes != taxonomy.codes:
            raise RecipeError(f"model.teacher: {path} tells other diagnoses apart than this recipe's taxonomy")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait spinning would take the processor from the network that learns.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(found.graph, options, providers=["CPUExecutionProvider"])
        self._preprocessing = found.manifest.preprocessing
        prevalence = np.maximum(found.manifest.calibration.prevalence, 1e-6)
        self._log_prevalence = torch.from_numpy(np.log(prevalence)).float()

    def logits(self, pixels: Tensor) -> Tensor:
        """(b, 3, S, S) in [0, 1] -> (b, leaves) logits that are free of class shares, one view, no gradient."""
        wanted = self._preprocessing
        seen = functional.interpolate(pixels.detach(), size=wanted.size, mode="bilinear", align_corners=False)
        mean, std = (torch.tensor(v, device=seen.device).view(1, 3, 1, 1) for v in (wanted.mean, wanted.std))
        images = ((seen - mean) / std).contiguous(memory_format=torch.contiguous_format).cpu().numpy()
        found = torch.from_numpy(self._session.run(["logits"], {"image": images})[0])
        return (found - self._log_prevalence).to(pixels.device)
