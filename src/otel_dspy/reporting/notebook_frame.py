"""A page within a notebook."""

from __future__ import annotations

from html import escape


def notebook_frame(title: str, page: str) -> str:
    """Return HTML that shows a page in a frame of its own, so that its style does not reach the notebook.

    Args:
        title: the frame's title, for screen readers.
        page: the page.
    """
    return (
        f'<iframe title="{escape(title)}" sandbox style="width:100%;height:800px;border:0" '
        f'srcdoc="{escape(page)}"></iframe>'
    )
