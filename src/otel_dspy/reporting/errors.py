"""Error of reports."""

from __future__ import annotations


class ReportError(Exception):
    """There is nothing to report on; the message gives the reason and what to do."""
