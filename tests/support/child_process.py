"""Signals of a child process that a test starts with `subprocess`."""

from __future__ import annotations

import signal


def heed_ctrl_c() -> None:
    """For a child's `preexec_fn`: a shell's background job ignores Ctrl-C and hands that down to every child."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
