"""Prints the content of Phoenix projects as JSON; run by the Python of Phoenix's own environment.

python tests/support/phoenix_readout.py URL '{"<project>": {"spans": <number>, "tokens": <number>}}'

Each project is waited for until it holds as many spans, and prices for as many tokens.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

COST = "query ($id: ID!) { node(id: $id) { ... on Project { recordCount costSummary { total { cost tokens } } } } }"
"""The client has no word for costs; Phoenix's own page asks this."""
PATIENCE = 120.0
"""Seconds; prices come some seconds after the spans."""


def read(url: str, project: str, spans: int, tokens: float) -> dict[str, Any]:
    """Spans, sessions with their turns, and the cost, by Phoenix's own client."""
    client: Any = import_module("phoenix.client").Client(base_url=url)
    return {
        "cost": _awaited_cost(client, url, project, spans, tokens),
        "spans": client.spans.get_spans(project_identifier=project, limit=1000),
        "wrong": _found_by(client, project, "name == 'example exact' and metadata['score'] == 0"),
        "sessions": [
            {**session, "turns": client.sessions.get_session_turns(session_id=session["session_id"])}
            for session in client.sessions.list(project_name=project)
        ],
    }


def _found_by(client: Any, project: str, condition: str) -> list[str]:
    """Ids of the spans that the filter of Phoenix's page finds."""
    query = import_module("phoenix.client.types.spans").SpanQuery().where(condition)
    return sorted(client.spans.get_spans_dataframe(query=query, project_identifier=project).index)


def _awaited_cost(client: Any, url: str, project: str, spans: int, tokens: float) -> Any:
    deadline = time.monotonic() + PATIENCE
    held: Any = None
    while time.monotonic() < deadline:
        found = {one["name"]: one["id"] for one in client.projects.list()}
        if project in found:
            asked = {"query": COST, "variables": {"id": found[project]}}
            held = import_module("httpx").post(f"{url}/graphql", json=asked).json()["data"]["node"]
            if held["recordCount"] == spans and held["costSummary"]["total"]["tokens"] == tokens:
                return held["costSummary"]["total"]
        time.sleep(0.2)
    raise TimeoutError(f"{project} is not whole: {held}, not {spans} spans and {tokens} tokens")


def leave_out_the_server() -> None:
    """Make `phoenix` a package that imports nothing itself, as where arize-phoenix-client is installed alone.

    The server's package imports all of the server, for 8 s.
    """
    found = find_spec("phoenix")
    package = ModuleType("phoenix")
    package.__path__ = list(found.submodule_search_locations or ()) if found else []
    sys.modules["phoenix"] = package


def main() -> None:
    """Read the command line and print."""
    leave_out_the_server()
    url, projects = sys.argv[1:]
    held = {name: read(url, name, **whole) for name, whole in json.loads(projects).items()}
    print(json.dumps(held, default=str))  # noqa: T201 - who has started it reads this


if __name__ == "__main__":
    main()
