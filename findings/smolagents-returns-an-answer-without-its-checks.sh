#!/usr/bin/env bash
# smolagents: the answer that an agent gives when its steps are used up is returned without `final_answer_checks`.
#
# Seen on 2026-12-01 with smolagents 1.26.0, CPython 3.11.
# Expected: `final_answer_checks` are functions "to run before accepting a final answer": an agent whose answers all
#           fail its check returns none of them, or raises.
# Seen:     each failed check costs a step. After `max_steps` the model is asked for an answer once more, and this one
#           is returned unchecked, in the same words. `run` returns the text alone; that the steps were used up is in
#           the full result.
#
# Output seen:
#   answers that the check has rejected: ['about 40', 'about 40']
#   answer of run: about 40
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


rejected = []


def is_a_number(answer, memory, agent):
    if not answer.isdigit():
        rejected.append(answer)
    return answer.isdigit()


call = ("final_answer", {"answer": "about 40"})
model = Scripted(call, call, "about 40")
agent = ToolCallingAgent([], model, final_answer_checks=[is_a_number], max_steps=2, verbosity_level=-1)
answer = agent.run("How many?")
print(f"answers that the check has rejected: {rejected}")
print(f"answer of run: {answer}")
assert rejected == ["about 40", "about 40"]
assert answer == "about 40"
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
