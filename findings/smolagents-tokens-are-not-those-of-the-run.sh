#!/usr/bin/env bash
# smolagents: the tokens of a run lack those of managed agents, and have those of the runs before it.
#
# Seen on 2026-12-01 with smolagents 1.26.0, CPython 3.11.
# Expected: `RunResult.token_usage`, "Count of tokens used during the run", has the tokens of all requests of the run.
# Seen:     it adds up the agent's own steps in memory. What a managed agent uses is in none of them. With
#           `reset=False`, as in a conversation, the steps of earlier turns are still in memory and count again. The
#           monitor's counts lack managed agents as well, and planning steps, which `token_usage` has.
#
# Output seen:
#   with a managed agent: 3 requests of 110 tokens, token_usage 220, monitor 220
#   three turns of a conversation: 1 request of 110 tokens each, token_usage 110, 220, 330
#   with a plan: 2 requests of 110 tokens, token_usage 220, monitor 110
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check smolagents==1.26.0
cd "$folder"
cat >finding.py <<'PYTHON'
from smolagents import ToolCallingAgent
from smolagents.models import ChatMessage, ChatMessageToolCall, ChatMessageToolCallFunction, MessageRole, Model
from smolagents.monitoring import TokenUsage


class Scripted(Model):
    """Makes the given calls, one for each request, with 100 input and 10 output tokens."""

    def __init__(self, *calls):
        super().__init__(model_id="model")
        self.calls = list(calls)
        self.requests = []

    def generate(self, messages, **_):
        self.requests.append(messages)
        call = self.calls.pop(0)
        usage = TokenUsage(input_tokens=100, output_tokens=10)
        if isinstance(call, str):
            return ChatMessage(role=MessageRole.ASSISTANT, content=call, token_usage=usage)
        function = ChatMessageToolCallFunction(name=call[0], arguments=call[1])
        calls = [ChatMessageToolCall(id=f"call-{len(self.requests)}", type="function", function=function)]
        return ChatMessage(role=MessageRole.ASSISTANT, content=None, tool_calls=calls, token_usage=usage)


def answer(text):
    return "final_answer", {"answer": text}


def tokens(agent):
    return agent.monitor.get_total_token_counts().total_tokens


quiet = {"verbosity_level": -1, "return_full_result": True}
inner_model = Scripted(answer("sun"))
outer_model = Scripted(("weather", {"task": "Weather in Paris?"}), answer("sun"))
inner = ToolCallingAgent([], inner_model, name="weather", description="Finds the weather.", verbosity_level=-1)
outer = ToolCallingAgent([], outer_model, managed_agents=[inner], **quiet)
managed = outer.run("Weather in Paris?").token_usage.total_tokens
requests = len(inner_model.requests) + len(outer_model.requests)
print(f"with a managed agent: {requests} requests of 110 tokens, token_usage {managed}, monitor {tokens(outer)}")
assert (requests, managed, tokens(outer)) == (3, 220, 220)

agent = ToolCallingAgent([], Scripted(answer("a"), answer("b"), answer("c")), **quiet)
turns = [agent.run("Go on.", reset=False).token_usage.total_tokens for _ in range(3)]
assert len(agent.model.requests) == 3
print("three turns of a conversation: 1 request of 110 tokens each, token_usage " + ", ".join(map(str, turns)))
assert turns == [110, 220, 330]

agent = ToolCallingAgent([], Scripted("the plan", answer("a")), planning_interval=3, **quiet)
planned = agent.run("Weather in Paris?").token_usage.total_tokens
requests = len(agent.model.requests)
print(f"with a plan: {requests} requests of 110 tokens, token_usage {planned}, monitor {tokens(agent)}")
assert (requests, planned, tokens(agent)) == (2, 220, 110)
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
