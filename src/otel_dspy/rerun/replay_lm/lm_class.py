"""`ReplayLM`: a language model that answers from a record, as the installed DSPy wants models to be written."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import dspy

if TYPE_CHECKING or "engine" in inspect.signature(dspy.LM.__init__).parameters:
    from otel_dspy.rerun.replay_lm.engine_replay_lm import EngineReplayLM as ReplayLM
else:
    from otel_dspy.rerun.replay_lm.forward_replay_lm import ForwardReplayLM as ReplayLM

__all__ = ["ReplayLM"]
