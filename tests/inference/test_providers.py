"""The provider that is asked for is the one that runs, or there is an error that says what to do."""

from __future__ import annotations

import onnxruntime as ort
import pytest

from epiluma.bundle import Bundle
from epiluma.inference import providers
from epiluma.inference.providers import CPU, PROVIDERS, Provider, ProviderError
from epiluma.inference.screen import Screener
from epiluma.inference.session import Session

MISSING = [name for name, known in PROVIDERS.items() if known.onnxruntime not in ort.get_available_providers()]


def test_the_table_uses_names_that_onnxruntime_knows() -> None:
    everything = set(ort.get_all_providers())
    # CANN's and CoreML's wheels are built from the same source, whose full list this is.
    assert {known.onnxruntime for known in PROVIDERS.values()} <= everything


def test_the_processor_is_the_default_and_runs(tiny_bundle: Bundle) -> None:
    assert Session(tiny_bundle).provider == CPU
    assert Session(tiny_bundle, provider="cpu")._session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize("name", MISSING)
def test_a_provider_that_is_not_installed_is_named_with_what_brings_it(tiny_bundle: Bundle, name: str) -> None:
    with pytest.raises(ProviderError) as raised:
        Screener(tiny_bundle, provider=name)
    said = str(raised.value)
    assert f"provider '{name}' is not available here, only cpu" in said
    assert PROVIDERS[name].install in said
    assert PROVIDERS[name].device in said


def test_a_name_that_nobody_knows(tiny_bundle: Bundle) -> None:
    with pytest.raises(ProviderError, match="no provider 'abacus'; there are cpu, cuda, tensorrt"):
        Session(tiny_bundle, provider="abacus")


def test_a_device_that_takes_no_node_is_not_replaced_by_the_processor(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every wheel for processors has Azure's provider, which loads, and leaves every node to the processor."""
    azure = Provider("AzureExecutionProvider", "a network", "nothing")
    monkeypatch.setitem(providers.PROVIDERS, "azure", azure)
    if azure.onnxruntime not in ort.get_available_providers():
        pytest.skip("this onnxruntime has no provider for Azure")
    with pytest.raises(ProviderError, match="'azure' is installed but did not take the network"):
        Session(tiny_bundle, provider="azure")


def test_a_provider_that_onnxruntime_dropped_is_an_error(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What onnxruntime does when a device's libraries are missing: a session, on the processor alone."""
    session = Session(tiny_bundle)._session
    monkeypatch.setitem(providers.PROVIDERS, "cuda", PROVIDERS["cuda"])
    with pytest.raises(ProviderError, match="'cuda' is installed but did not take the network"):
        providers.check_used(session, "cuda")
