"""Checkpoints: explicit points where a task may be cancelled, or lets others run (clause 9.16).

- `checkpoint()`: both; raises CancelledError if the current scope is cancelled, else yields once.
- `checkpoint_if_cancelled()`: raises if cancelled, and otherwise does not yield.
- `cancel_shielded_checkpoint()`: yields once, and never raises.
"""

from ._core import cancel_shielded_checkpoint, checkpoint, checkpoint_if_cancelled

__all__ = ["cancel_shielded_checkpoint", "checkpoint", "checkpoint_if_cancelled"]
