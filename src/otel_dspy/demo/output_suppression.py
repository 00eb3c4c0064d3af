"""Suppression of library output during the demo: prints, progress bars and log lines below ERROR."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def quiet(*, verbose: bool) -> Generator[None]:
    """Suppress library output while the block runs; do nothing if `verbose` is set.

    Enter it before the libraries are imported: tqdm reads its setting once, at import.
    """
    if verbose:
        yield
        return
    os.environ.setdefault("TQDM_DISABLE", "1")
    # Libraries set logger levels on import, so logging is disabled globally.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        logging.disable(before)
