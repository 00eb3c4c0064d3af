"""A disk that fills up: `write` accepts a part of its data, then raises ENOSPC."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer


class FullDisk:
    """Limits `os.write` to `room` bytes in total within the block."""

    def __init__(self, room: int, *, at_once: int | None = None, truncates: bool = True) -> None:
        """Create it.

        Args:
            room: bytes left.
            at_once: bytes that one call takes at most.
            truncates: whether a file can be truncated.
        """
        self._room = room
        self._at_once = at_once
        self._write = os.write
        self._patches = [mock.patch.object(os, "write", self._written)]
        if not truncates:
            self._patches.append(mock.patch.object(os, "ftruncate", side_effect=_no_space()))

    def _written(self, descriptor: int, data: Buffer) -> int:
        offered = bytes(data)
        part = offered[: min(self._room, self._at_once or len(offered))]
        if not part:
            raise _no_space()
        self._room -= len(part)
        return self._write(descriptor, part)

    def __enter__(self) -> None:
        """Begin."""
        for patch in self._patches:
            patch.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is room again."""
        for patch in self._patches:
            patch.stop()


def _no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")
