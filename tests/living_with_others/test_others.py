"""otel-dspy and another instrumentation at the same time, in every order, each in a process of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot

from tests.living_with_others.environment import worker_lines, worker_output
from tests.living_with_others.others import INSTRUMENTORS, LOGFIRE, MLFLOW, THREADING

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.registry

DSPYS = ("opentelemetry-instrumentation-genai-dspy", "openinference-instrumentation-dspy")
APART = (*DSPYS, LOGFIRE, "opentelemetry-instrumentation-genai-openai")
"""Those that are seen beside a private tracer provider of otel-dspy's."""
WORKER = "tests.living_with_others.worker"
OURS = [
    "the user's own [user]",
    "  module ReAct [otel_dspy] module.name=self",
    "    invoke_agent ReAct [otel_dspy]",
    "      module Predict [otel_dspy] module.name=react",
    "        chat scripted [otel_dspy] lm.cache_hit=False module.name=react gen_ai.usage.input_tokens=10",
    "      execute_tool add [otel_dspy]",
    "        the user's addition [user]",
    "      module ChainOfThought [otel_dspy] module.name=extract",
    "        module Predict [otel_dspy] module.name=extract.predict",
    "          chat scripted [otel_dspy] lm.cache_hit=False module.name=extract.predict gen_ai.usage.input_tokens=10",
    "  compile LabeledFewShot [otel_dspy]",
    "    setup LabeledFewShot [otel_dspy]",
    "      dataset train [otel_dspy]",
    "    phase select [otel_dspy]",
    "  evaluate exact [otel_dspy]",
    "    dataset evaluation [otel_dspy]",
    "    example exact [otel_dspy]",
    "      module Predict [otel_dspy] module.name=self",
    "        chat scripted [otel_dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=10",
    "  module Predict [otel_dspy] module.name=self",
    "    chat served [otel_dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=95",
]
"""What otel-dspy records without another."""
STAYING = ("opentelemetry-instrumentation-openai",)
"""Those whose own `uninstrument` leaves some of their wrappers."""
NOTHING = ["the user's own [user]", "  the user's addition [user]"]
BELOW: dict[str, list[tuple[str, str]]] = {
    "openinference-instrumentation-litellm": [
        (
            "completion [openinference.instrumentation.litellm]",
            "chat served [otel_dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=95",
        )
    ],
    "openinference-instrumentation-openai": [
        (
            "ChatCompletion [openinference.instrumentation.openai]",
            "chat served [otel_dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=95",
        )
    ],
    "opentelemetry-instrumentation-litellm": [
        (
            "litellm.chat [opentelemetry.instrumentation.litellm] gen_ai.usage.input_tokens=95",
            "chat served [otel_dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=95",
        )
    ],
    "opentelemetry-instrumentation-openai": [
        (
            "openai.chat [opentelemetry.instrumentation.openai.v1] gen_ai.usage.input_tokens=95",
            "chat served [otel_dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=95",
        ),
        (
            "openai.chat [opentelemetry.instrumentation.openai.v1] gen_ai.usage.input_tokens=95",
            "openai.chat [opentelemetry.instrumentation.openai.v1] gen_ai.usage.input_tokens=95",
        ),
    ],
}
"""Those that listen to what DSPy calls, and MLflow's autologging -> their spans, and what each stands in."""
IN_MLFLOW: dict[str, list[str]] = {
    "mlflow.dspy.autolog": [
        "ReAct.forward",
        "Predict.forward",
        "ChatAdapter.format",
        "LM.__call__",
        "ChatAdapter.parse",
        "Tool.add",
        "ChainOfThought.forward",
        "Predict.forward",
        "ChatAdapter.format",
        "LM.__call__",
        "ChatAdapter.parse",
        "Predict.forward",
        "ChatAdapter.format",
        "LM.__call__",
        "ChatAdapter.parse",
        "Predict.forward",
        "ChatAdapter.format",
        "LM.__call__",
        "ChatAdapter.parse",
    ],
    "mlflow.litellm.autolog": ["litellm-completion"],
    "mlflow.openai.autolog": ["Completions"],
}
"""MLflow's autologging -> the spans of the traces that it writes itself."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Any]:
    """The worker's output with each of them, and whether otel-dspy had a provider of its own."""
    lines = worker_lines(tmp_path_factory.mktemp("others"), WORKER, *DSPYS, LOGFIRE, THREADING, "--apart", *APART)
    orders = [json.loads(line) for line in lines if line.startswith("{")]
    names = [*((name, False) for name in (*DSPYS, LOGFIRE, THREADING)), *((name, True) for name in APART)]
    return dict(zip(names, orders, strict=True))


@pytest.fixture
def seen_with(seen: dict[tuple[str, bool], Any]) -> dict[str, Any]:
    """The output with one provider for both."""
    return {name: orders for (name, apart), orders in seen.items() if not apart}


def _the_same_in_every_order(name: str, orders: dict[str, Any]) -> dict[str, Any]:
    """What was seen with both on, after it was seen that no order changes anything and all is undone."""
    assert len(orders) == 4
    first = next(iter(orders.values()))
    for order, seen in orders.items():
        assert seen["both"]["spans"] == first["both"]["spans"], order
        assert seen["both"]["tokens"] == first["both"]["tokens"], order
        assert seen["log"] == first["log"], order
        left = [
            line
            for line in seen["none left"]["spans"]
            if name not in STAYING or "[otel_dspy]" in line or "user" in line
        ]
        assert left == NOTHING, order
        if name not in STAYING:
            assert seen["none left"]["tokens"] == {}, order
        assert seen["changed"] == [], order
    return orders


def _one_left(orders: dict[str, Any], *, ours: bool) -> list[list[str]]:
    """The spans after the first of the two was switched off."""
    off = "the other off first" if ours else "otel-dspy off first"
    return [seen["one left"]["spans"] for order, seen in orders.items() if order.endswith(off)]


def _both(orders: dict[str, Any]) -> dict[str, Any]:
    return next(iter(orders.values()))["both"]


def test_genai_dspy(seen_with: dict[str, Any]) -> None:
    """Each model, tool and agent call has one span, theirs, with our facts; tokens are counted once, by theirs."""
    orders = _the_same_in_every_order(DSPYS[0], seen_with[DSPYS[0]])
    assert _both(orders) == snapshot(
        {
            "spans": [
                "the user's own [user]",
                "  module ReAct [otel_dspy] module.name=self",
                "    invoke_agent dspy.ReAct [opentelemetry.instrumentation.genai.dspy]",
                "      module Predict [otel_dspy] module.name=react",
                "        chat scripted [opentelemetry.instrumentation.genai.dspy] lm.cache_hit=False module.name=react gen_ai.usage.input_tokens=10",
                "      execute_tool add [opentelemetry.instrumentation.genai.dspy]",
                "        the user's addition [user]",
                "      module ChainOfThought [otel_dspy] module.name=extract",
                "        module Predict [otel_dspy] module.name=extract.predict",
                "          chat scripted [opentelemetry.instrumentation.genai.dspy] lm.cache_hit=False module.name=extract.predict gen_ai.usage.input_tokens=10",
                "  compile LabeledFewShot [otel_dspy]",
                "    setup LabeledFewShot [otel_dspy]",
                "      dataset train [otel_dspy]",
                "    phase select [otel_dspy]",
                "  evaluate exact [otel_dspy]",
                "    dataset evaluation [otel_dspy]",
                "    example exact [otel_dspy]",
                "      module Predict [otel_dspy] module.name=self",
                "        chat scripted [opentelemetry.instrumentation.genai.dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=10",
                "  module Predict [otel_dspy] module.name=self",
                "    chat served [opentelemetry.instrumentation.genai.dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=95",
            ],
            "tokens": {"opentelemetry.instrumentation.genai.dspy": 151},
        }
    )
    assert next(iter(orders.values()))["log"] == snapshot(
        [
            "opentelemetry.instrumentation.genai.dspy creates spans for the same calls (invoke_agent): otel-dspy adds its attributes to them and creates none. Disable the other instrumentation to get spans of otel-dspy."
        ]
    )
    assert _one_left(orders, ours=True) == [OURS, OURS]
    (theirs, same) = _one_left(orders, ours=False)
    assert theirs == same
    assert [line for line in theirs if "otel_dspy" in line] == []


def test_openinference_dspy(seen_with: dict[str, Any]) -> None:
    """Each model and tool call has one span, theirs, with otel-dspy's attributes; modules are recorded by both, one inside the other.

    OpenInference's `uninstrument` puts back the innermost function, whichever library has wrapped it: otel-dspy has to be
    instrumented again then.
    """
    orders = _the_same_in_every_order(DSPYS[1], seen_with[DSPYS[1]])
    assert _both(orders) == snapshot(
        {
            "spans": [
                "the user's own [user]",
                "  ReAct.forward [openinference.instrumentation.dspy]",
                "    module ReAct [otel_dspy] module.name=self",
                "      invoke_agent ReAct [otel_dspy]",
                "        Predict.forward [openinference.instrumentation.dspy]",
                "          module Predict [otel_dspy] module.name=react",
                "            Predict(StringSignature).forward [openinference.instrumentation.dspy]",
                "              ChatAdapter.__call__ [openinference.instrumentation.dspy]",
                "                LM.__call__ [openinference.instrumentation.dspy] lm.cache_hit=False module.name=react gen_ai.usage.input_tokens=10",
                "        add.__call__ [openinference.instrumentation.dspy]",
                "          the user's addition [user]",
                "        ChainOfThought.forward [openinference.instrumentation.dspy]",
                "          module ChainOfThought [otel_dspy] module.name=extract",
                "            Predict.forward [openinference.instrumentation.dspy]",
                "              module Predict [otel_dspy] module.name=extract.predict",
                "                Predict(StringSignature).forward [openinference.instrumentation.dspy]",
                "                  ChatAdapter.__call__ [openinference.instrumentation.dspy]",
                "                    LM.__call__ [openinference.instrumentation.dspy] lm.cache_hit=False module.name=extract.predict gen_ai.usage.input_tokens=10",
                "  compile LabeledFewShot [otel_dspy]",
                "    setup LabeledFewShot [otel_dspy]",
                "      dataset train [otel_dspy]",
                "    phase select [otel_dspy]",
                "  evaluate exact [otel_dspy]",
                "    dataset evaluation [otel_dspy]",
                "    example exact [otel_dspy]",
                "      Predict.forward [openinference.instrumentation.dspy]",
                "        module Predict [otel_dspy] module.name=self",
                "          Predict(StringSignature).forward [openinference.instrumentation.dspy]",
                "            ChatAdapter.__call__ [openinference.instrumentation.dspy]",
                "              LM.__call__ [openinference.instrumentation.dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=10",
                "  Predict.forward [openinference.instrumentation.dspy]",
                "    module Predict [otel_dspy] module.name=self",
                "      Predict(StringSignature).forward [openinference.instrumentation.dspy]",
                "        ChatAdapter.__call__ [openinference.instrumentation.dspy]",
                "          LM.__call__ [openinference.instrumentation.dspy] lm.cache_hit=False module.name=self gen_ai.usage.input_tokens=95",
            ],
            "tokens": {"otel_dspy": 151},
        }
    )
    assert next(iter(orders.values()))["log"] == snapshot(
        [
            "openinference.instrumentation.dspy creates spans for the same calls (chat): otel-dspy adds its attributes to them and creates none. Disable the other instrumentation to get spans of otel-dspy."
        ]
    )
    (theirs, same) = _one_left(orders, ours=False)
    assert theirs == same
    assert [line for line in theirs if "otel_dspy" in line] == []
    assert _one_left(orders, ours=True) == snapshot(
        [
            [
                "the user's own [user]",
                "  invoke_agent ReAct [otel_dspy]",
                "    the user's addition [user]",
                "  compile LabeledFewShot [otel_dspy]",
                "    setup LabeledFewShot [otel_dspy]",
                "      dataset train [otel_dspy]",
                "    phase select [otel_dspy]",
                "  evaluate exact [otel_dspy]",
                "    dataset evaluation [otel_dspy]",
                "    example exact [otel_dspy]",
            ],
            [
                "the user's own [user]",
                "  invoke_agent ReAct [otel_dspy]",
                "    the user's addition [user]",
                "  compile LabeledFewShot [otel_dspy]",
                "    setup LabeledFewShot [otel_dspy]",
                "      dataset train [otel_dspy]",
                "    phase select [otel_dspy]",
                "  evaluate exact [otel_dspy]",
                "    dataset evaluation [otel_dspy]",
                "    example exact [otel_dspy]",
            ],
        ]
    )


def test_logfire(seen_with: dict[str, Any]) -> None:
    """Logfire's `instrument_dspy` is OpenInference's: its tracer provider around the SDK's makes no difference."""
    orders = _the_same_in_every_order(LOGFIRE, seen_with[LOGFIRE])
    openinference = seen_with[DSPYS[1]]
    for order, seen in orders.items():
        assert seen == openinference[order], order


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in (*INSTRUMENTORS, *MLFLOW) if name not in DSPYS])
def test_below_dspy(name: str, tmp_path: Path) -> None:
    """Our spans are all there; theirs stand inside, or go to MLflow; ours count what they count without the other."""
    orders = _the_same_in_every_order(name, worker_output(tmp_path, WORKER, name))
    both = _both(orders)
    ours = [line for line in both["spans"] if "[otel_dspy]" in line or "[user]" in line]
    assert ours == OURS
    theirs = [(line.strip(), _parent(both["spans"], line)) for line in both["spans"] if line not in ours]
    assert theirs == BELOW.get(name, [])
    assert both["tokens"]["otel_dspy"] == 151
    assert next(iter(orders.values()))["log"] == []
    for spans in _one_left(orders, ours=True):
        assert [line for line in spans if "[otel_dspy]" in line or "[user]" in line] == OURS
    assert both.get("mlflow") == IN_MLFLOW.get(name)


@pytest.mark.slow
def test_logfire_configured_again(tmp_path: Path) -> None:
    """It drops the processor of `autolog`, which is logged with the next call; a further `autolog()` adds a new one.

    So do two calls of `logfire.shutdown()` at the end, which are logged if a call follows.
    """
    found = worker_output(tmp_path, "tests.living_with_others.logfire_again")
    assert found["traces"] == ['{"question":"after"}', '{"question":"before"}']
    [line] = found["log"]
    assert line.startswith("The tracer provider has shut down MLflow's span processor")
    assert (found["log of shutdowns"], found["log after shutdowns"]) == ([], [line])


@pytest.mark.parametrize("name", APART)
def test_with_a_private_provider_each_records_all(name: str, seen: dict[tuple[str, bool], Any]) -> None:
    """With a private tracer provider, as with `autolog`, each records all that it records without the other."""
    for order, found in seen[name, True].items():
        assert found["both"]["ours"] == [line.strip().partition("]")[0] + "]" for line in OURS if "[otel" in line], (
            order
        )
        assert found["log"] == [], order
        if order.endswith("otel-dspy off first"):
            assert found["both"]["theirs"] == found["one left"]["theirs"], order
        assert sum(found["both"]["tokens"].values()) == (257 if name.endswith("openai") else 151), order


def test_threads_of_the_users_own(seen: dict[tuple[str, bool], Any]) -> None:
    """With opentelemetry-instrumentation-threading what is called in an executor stands in the caller's span."""
    assert seen[THREADING, False] == {"tree": ["the user's own", *["  module Predict", "    chat scripted"] * 2]}


def _parent(lines: list[str], line: str) -> str:
    depth = len(line) - len(line.lstrip())
    above = lines[: lines.index(line)]
    return next(one.strip() for one in reversed(above) if len(one) - len(one.lstrip()) < depth)
