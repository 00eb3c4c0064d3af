#!/usr/bin/env bash
# smolagents: an image of the task is sent once more with each step: four times in the fourth request.
#
# Seen on 2026-12-01 with smolagents 1.26.0, pillow 13.0.0, CPython 3.11.
# Expected: each request of `agent.run(task, images=[image])` has the image once, with the task.
# Seen:     the images are in the task, and each step has them as images that it has observed, so that the messages of
#           later steps repeat them: n steps send n(n+1)/2 images, and pay for them, where n would do.
#
# Output seen:
#   images in each request: 1, 2, 3, 4
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check smolagents==1.26.0 pillow==13.0.0
cd "$folder"
cat >finding.py <<'PYTHON'
from PIL import Image
from smolagents import ToolCallingAgent, tool
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


@tool
def weather(city: str) -> str:
    """Weather of a city.

    Args:
        city: Name of the city.
    """
    return "sun"


calls = [("weather", {"city": city}) for city in ("Paris", "Rome", "Oslo")]
model = Scripted(*calls, ("final_answer", {"answer": "sun"}))
ToolCallingAgent([weather], model, verbosity_level=-1).run("Weather there?", images=[Image.new("RGB", (8, 8))])
images = [
    sum(part["type"] == "image" for message in request for part in message.content) for request in model.requests
]
print("images in each request: " + ", ".join(map(str, images)))
assert images == [1, 2, 3, 4]
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
