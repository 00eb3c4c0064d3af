"""Form of the bodies with which MLflow's server answers a request that it does not accept."""

from __future__ import annotations

import json
from typing import Final, cast

_MEMBERS: Final = frozenset({"error_code", "detail"})
"""Members of such a JSON object: of MLflow's own handlers, or of FastAPI's, as for spans."""


def is_mlflow_error(body: str) -> bool:
    """Return whether the body of an error has the form of MLflow's. Pages and texts of proxies do not.

    Args:
        body: text of the response.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not _MEMBERS.isdisjoint(cast("dict[str, object]", found))
