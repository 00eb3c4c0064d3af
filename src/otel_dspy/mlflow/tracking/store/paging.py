"""Searches of MLflow's stores, whose results come in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow.store.entities import PagedList


def every_page(search: Callable[[str | None], PagedList[Any]]) -> Iterator[Any]:
    """Yield the results of all pages.

    Args:
        search: returns the page of a token; the token of the first page is None.
    """
    token: str | None = None
    while True:
        page: Any = search(token)
        yield from page
        token = page.token
        if not token:
            return
