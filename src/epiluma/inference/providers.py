"""What a network can run on, by name: the table of onnxruntime's execution providers, and never another than asked."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from epiluma.errors import EpilumaError

if TYPE_CHECKING:
    import onnxruntime as ort

RECORD = "session.record_ep_graph_assignment_info"
"""onnxruntime's key that makes a session remember which provider runs each node (1.24 and later; earlier ignore it)."""


class ProviderError(EpilumaError):
    """A provider that is unknown, that is not installed here, or whose device is not there."""


class Provider(NamedTuple):
    """One way to run a network."""

    onnxruntime: str
    """Its name in onnxruntime."""
    device: str
    """What it runs on."""
    install: str
    """What brings it."""
    plugin: str = ""
    """Module of a package that adds it to onnxruntime, where one does."""


_INSTEAD = "in place of the package onnxruntime"
CPU = "cpu"
PROVIDERS = {
    CPU: Provider("CPUExecutionProvider", "any processor", "pip install onnxruntime"),
    "cuda": Provider(
        "CUDAExecutionProvider",
        "an NVIDIA GPU with driver, CUDA and cuDNN",
        f"pip install 'onnxruntime-gpu[cuda,cudnn]', {_INSTEAD}",
    ),
    "tensorrt": Provider(
        "TensorrtExecutionProvider",
        "an NVIDIA GPU with driver, CUDA, cuDNN and TensorRT",
        f"pip install 'onnxruntime-gpu[cuda,cudnn]' tensorrt, {_INSTEAD}",
    ),
    "openvino": Provider(
        "OpenVINOExecutionProvider",
        "an Intel processor, GPU or NPU",
        f"pip install onnxruntime-openvino, {_INSTEAD}",
    ),
    "cann": Provider(
        "CANNExecutionProvider",
        "a Huawei Ascend NPU with driver and the CANN toolkit",
        f"onnxruntime built with --use_cann for NumPy 2 (onnxruntime-cann up to 1.24 is for NumPy 1), {_INSTEAD}",
    ),
    "coreml": Provider("CoreMLExecutionProvider", "a Mac", "pip install onnxruntime, on macOS"),
    "qnn": Provider("QNNExecutionProvider", "a Qualcomm NPU", "pip install onnxruntime-qnn", plugin="onnxruntime_qnn"),
}


def ask_for(name: str, options: ort.SessionOptions) -> list[str]:
    """Make `options` ask for a provider; the names for a session's argument `providers`. Raises ProviderError."""
    import onnxruntime as ort

    if name not in PROVIDERS:
        raise ProviderError(f"no provider {name!r}; there are {', '.join(PROVIDERS)}")
    wanted = PROVIDERS[name]
    if wanted.plugin:
        _add_plugin(wanted)
    available = ort.get_available_providers()
    if wanted.onnxruntime not in available:
        here = ", ".join(known for known, provider in PROVIDERS.items() if provider.onnxruntime in available)
        raise ProviderError(
            f"provider {name!r} is not available here, only {here}; it needs {wanted.device}: {wanted.install}"
        )
    if name in ("cuda", "tensorrt") and hasattr(ort, "preload_dlls"):
        with redirect_stdout(sys.stderr):
            ort.preload_dlls()  # finds CUDA and cuDNN where pip has put them; prints what it misses
    if name != CPU:
        options.add_session_config_entry(RECORD, "1")
    if not wanted.plugin:
        return [wanted.onnxruntime]
    npu = ort.OrtHardwareDeviceType.NPU
    devices = [one for one in ort.get_ep_devices() if one.ep_name == wanted.onnxruntime and one.device.type == npu]
    if not devices:
        raise ProviderError(f"provider {name!r} is installed but finds no device here; it needs {wanted.device}")
    options.add_provider_for_devices(devices[:1], {})
    return []


def _add_plugin(wanted: Provider) -> None:
    """Tell onnxruntime once of a provider that comes as a package of its own, if it is installed."""
    import onnxruntime as ort

    if wanted.onnxruntime in ort.get_available_providers():
        return
    try:
        plugin = import_module(wanted.plugin)
        ort.register_execution_provider_library(wanted.onnxruntime, plugin.get_library_path())
    except ImportError:
        return
    except Exception as error:  # onnxruntime's own exception classes have no common base but Exception
        raise ProviderError(f"{wanted.plugin}: onnxruntime cannot load it ({error})") from error


def check_used(session: ort.InferenceSession, name: str) -> None:
    """Raise ProviderError unless the session runs on the provider of this name.

    onnxruntime itself goes on with the processor when a device cannot be opened. Single nodes that a provider
    lacks are allowed to run on the processor; a network of which it runs none is not on that device.
    """
    wanted = PROVIDERS[name]
    opened = wanted.onnxruntime in session.get_providers()
    if opened and wanted.onnxruntime != PROVIDERS[CPU].onnxruntime and _knows_nodes(session):
        opened = wanted.onnxruntime in {part.ep_name for part in session.get_provider_graph_assignment_info()}
    if not opened:
        raise ProviderError(
            f"provider {name!r} is installed but did not take the network: it needs {wanted.device}; "
            f"look whether the device and its libraries are there ({wanted.install}), or choose --provider {CPU}"
        )


def _knows_nodes(session: ort.InferenceSession) -> bool:
    return hasattr(session, "get_provider_graph_assignment_info")
