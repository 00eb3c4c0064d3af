"""Ids in MLflow's answers. A proxy or a login page may answer with status 200 and JSON that has none."""

from __future__ import annotations


class NoIdError(Exception):
    """An answer lacks the id of what was looked up or created."""


def answered_id(value: object, of: str) -> str:
    """Return the id that an answer has.

    MLflow's client reads `{}` as an entity whose id is empty or None: what is written to that would be lost.

    Args:
        value: the id as MLflow's client returns it.
        of: what it identifies, for the message.

    Raises:
        NoIdError: there is none.
    """
    if value is None or value == "":
        raise NoIdError(f"the answer has no id of the {of}: it is not MLflow's")
    return str(value)
