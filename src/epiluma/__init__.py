"""Epiluma: from skin-lesion images to a verified model, and from a photo to a screening."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("epiluma")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0+unknown"
