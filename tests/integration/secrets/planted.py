"""A program with a secret in every place where DSPy can hold one: it optimizes, looks things up, calls tools and fails.

`python planted.py API_BASE`; what each place holds is `SECRETS`. It knows nothing of telemetry.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import dspy

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLACES: Final = (
    "key-of-a-model", "header-of-a-model", "key-of-a-call", "password-in-a-url", "key-in-an-error", "environment",
    "attribute-of-an-optimizer", "argument-of-a-tool", "result-of-a-tool", "key-of-an-embedder",
    "password-of-a-retriever", "header-of-the-exporter", "token-of-mlflow", "password-of-the-destination",
)  # fmt: skip
SECRETS: Final = {place: f"Hidden {place} 7391".replace(" ", "/") for place in PLACES}
"""None has a shape that anybody would know a key by; a slash is spelt in several ways."""


_dspy: Any = dspy  # whose constructors are annotated in part only


class RefusingLM(dspy.BaseLM):
    """Rejects the call, with the key in the message."""

    def forward(self, prompt: object = None, messages: object = None, **kwargs: Any) -> Any:
        """Never answers."""
        del prompt, messages
        raise PermissionError(f"401: incorrect key {kwargs['api_key']} for https://user:{kwargs['api_key']}@host/v1")


def log_in(user: str, password: str) -> str:
    """Log somebody in; the tool's result contains a secret that the environment holds."""
    return f"{user} is in with {len(password)} characters and {os.environ['SERVICE_PASSWORD']}"


def optimize(lm: Any) -> None:
    """With models and settings that hold one each."""
    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=1, num_threads=1, teacher_settings={"lm": lm}
    )
    optimizer.api_key = SECRETS["attribute-of-an-optimizer"]
    program: Any = dspy.Predict("question -> answer")
    program.set_lm(lm)
    best = optimizer.compile(program, trainset=examples(3))
    best(question="3+3", config={"api_key": SECRETS["key-of-a-call"]})


def call(api_base: str) -> None:
    """An agent; and a model, a retriever and an embedder that fail."""
    arguments = json.dumps({"user": "ann", "password": SECRETS["argument-of-a-tool"]})
    steps: dict[str, Callable[[Mapping[str, str]], str]] = {
        "next_tool_name": lambda _: "log_in",
        "next_tool_args": lambda _: arguments,
    }
    with dspy.context(lm=in_process_lm(dspy_script(steps))):
        agent = _dspy.ReAct("question -> answer", tools=[log_in], max_iters=1)
        agent(question="Who is in?")
    with_password = api_base.replace("//", f"//user:{quote(SECRETS['password-in-a-url'], safe='')}@")
    with contextlib.suppress(Exception):
        dspy.LM("openai/gpt-4o-mini", api_base=with_password, api_key="none", num_retries=0, cache=False)("hello")
    with contextlib.suppress(Exception):
        dspy.ColBERTv2(url=api_base.replace("//", f"//user:{quote(SECRETS['password-of-a-retriever'], safe='')}@"))(
            "alpha"
        )
    with contextlib.suppress(Exception):
        embedder = _dspy.Embedder(
            "openai/embedding", api_base=api_base, api_key=SECRETS["key-of-an-embedder"], caching=False
        )
        embedder(["alpha"])
    with dspy.context(lm=RefusingLM("refusing", api_key=SECRETS["key-in-an-error"])), contextlib.suppress(Exception):
        dspy.Predict("question -> answer")(question="1+1")


def main(api_base: str) -> None:
    """Do it all."""
    logging.basicConfig(level=logging.DEBUG)
    for noisy in ("urllib3", "httpcore", "httpx", "openai", "LiteLLM", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)  # messages of other libraries are not redacted
    lm: Any = dspy.LM(
        "openai/gpt-4o-mini",
        api_base=api_base,
        api_key=SECRETS["key-of-a-model"],
        num_retries=0,
        extra_headers={"X-Partner": SECRETS["header-of-a-model"]},
        cache=False,
    )
    with dspy.context(lm=lm):
        optimize(lm)
    with dspy.context(lm=addition_lm()):
        dspy.Predict("question -> answer")(question="1+1")
    call(api_base)
    print("answered")  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(*sys.argv[1:])
