"""Names and versions of prompts. A prompt is a predictor of a program together with its instructions."""

from __future__ import annotations

import hashlib
import inspect
from functools import lru_cache
from typing import NamedTuple


class Prompt(NamedTuple):
    """The prompt of an LM call.

    Attributes:
        program: name of the program's class.
        path: path of the predictor in the program; `self` for the program itself.
        docstring: docstring of the predictor's signature, which holds the instructions.
    """

    program: str
    path: str
    docstring: str

    @property
    def name(self) -> str:
        """`gen_ai.prompt.name`, the same in every process that runs the program."""
        return self.program if self.path == "self" else f"{self.program}.{self.path}"

    @property
    def version(self) -> str:
        """`gen_ai.prompt.version`: the first 16 hexadecimal digits of the SHA-256 of `signature.instructions`."""
        return _version(self.docstring)


@lru_cache(maxsize=4096)
def _version(docstring: str) -> str:
    # `signature.instructions` is the docstring without indentation.
    return hashlib.sha256(inspect.cleandoc(docstring).encode("utf-8", "surrogatepass")).hexdigest()[:16]
