"""Prompts in MLflow's registry."""

from __future__ import annotations

import threading
from typing import Any, Final, cast

import mlflow.genai as untyped_genai

genai = cast("Any", untyped_genai)
LINKING: Final = "link_prompt_to_experiment_thread"
"""Prefix of the name of the thread in which MLflow 3.17 tags a new prompt with the experiment."""


def register_prompt(name: str, template: str) -> Any:
    """Register a prompt and wait until MLflow has linked it to the experiment.

    MLflow's linking thread imports modules; `optimize_prompts` beside it can wait for an import lock forever.

    Args:
        name: Name of the prompt, unique in the registry.
        template: Text with variables in double braces.

    Returns:
        MLflow's `PromptVersion`.
    """
    prompt = genai.register_prompt(name=name, template=template)
    for thread in threading.enumerate():
        if thread.name.startswith(LINKING):
            thread.join()
    return prompt
