"""The one network of this worker process: opened at first use, used by one request at a time."""

from __future__ import annotations

import functools
import threading

from django.conf import settings

from epiluma.bundle import Bundle
from epiluma.inference.locate import find_bundle
from epiluma.inference.result import Screening
from epiluma.inference.screen import Screener
from epiluma.service.config import Configuration, ConfigurationError

_turn = threading.Lock()


class BundleRefused(ConfigurationError):
    """A sound bundle that this service may not use."""


def accepted_bundle(configuration: Configuration) -> Bundle:
    """The verified bundle to serve. Raises BundleError when it is damaged, BundleRefused when it may not be served."""
    bundle = find_bundle(configuration.bundle)
    name = bundle.manifest.name
    if configuration.bundle_id and bundle.id != configuration.bundle_id:
        raise BundleRefused(
            f"bundle {name!r} has id {bundle.id}, but EPILUMA_BUNDLE_ID allows only {configuration.bundle_id}"
        )
    if bundle.manifest.non_commercial and not (configuration.demo or configuration.accept_non_commercial):
        raise BundleRefused(
            f"bundle {name!r} is for non-commercial use only ({bundle.manifest.licence}): "
            "set EPILUMA_ACCEPT_NON_COMMERCIAL=1 if your use is, or serve another bundle with --bundle"
        )
    return bundle


def served_bundle() -> Bundle:
    """The bundle of this process."""
    return _screener(settings.EPILUMA).bundle


def screen(data: bytes) -> Screening:
    """Screen one photo. Its file name stays unknown: names of files carry names of people. Raises PhotoError."""
    screener = _screener(settings.EPILUMA)
    with _turn:  # the network runs on one thread; two photos at once would only take turns inside it
        return screener.screen(data, file="photo")


@functools.lru_cache(maxsize=1)
def _opened(configuration: Configuration) -> Screener:
    return Screener(accepted_bundle(configuration))


def _screener(configuration: Configuration) -> Screener:
    with _turn:
        return _opened(configuration)
