"""What an audit that found a leak means for figures, whichever table they are made from."""

from __future__ import annotations

from epiluma.errors import EpilumaError


def is_leaked(audit: str) -> bool:
    """Whether the audit found images of the scored part in training."""
    return audit.startswith("leak")


def refuse_leak(audit: str, error: type[EpilumaError], *, allow: bool) -> None:
    """Raise `error` when the audit found a leak, unless that is allowed."""
    if is_leaked(audit) and not allow:
        raise error(
            f"refused: the audit says {audit!r}, so these figures would flatter; "
            f"train again on a clean split, or allow leakage and every report will say so"
        )
