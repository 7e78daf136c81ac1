"""The default bundle of Epiluma. Its weights come from CC BY-NC 4.0 data: non-commercial use only."""

from pathlib import Path


def path() -> Path:
    """Folder of the bundle."""
    return Path(__file__).parent / "bundle"
