from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from otel_dspy.demo.output_suppression import quiet

if TYPE_CHECKING:
    import pytest


def chatter() -> None:
    """Print and log as DSPy does."""
    print("a print")  # noqa: T201 - what is to be silenced
    logging.getLogger("dspy.teleprompt").warning("a warning")
    logging.getLogger("dspy.teleprompt").error("an error")


def test_chatter_is_silenced_and_errors_are_not(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Prints and log lines below ERROR vanish inside, errors stay, and everything is as before outside."""
    with quiet(verbose=False):
        chatter()
    assert (capsys.readouterr().out, caplog.messages) == ("", ["an error"])
    caplog.clear()
    chatter()
    assert (capsys.readouterr().out, caplog.messages) == ("a print\n", ["a warning", "an error"])


def test_verbose_leaves_everything(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """`--verbose` shows what libraries say."""
    with quiet(verbose=True):
        chatter()
    assert (capsys.readouterr().out, caplog.messages) == ("a print\n", ["a warning", "an error"])
