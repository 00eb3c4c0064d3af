"""Tracking URIs as they may be shown and kept: without passwords, and meaning the same wherever they are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_PASSWORD: Final = re.compile(r"(://[^/@\s:]*):[^/\s]*@")
_QUERY_SECRET: Final = re.compile(r"([?&][^=&\s]*(?:passw|pwd|token|secret|key)[^=&\s]*=)[^&\s'\"]*", re.IGNORECASE)
_SQLITE: Final = "sqlite:///"


def without_passwords(text: str) -> str:
    """A text, every password taken out of the addresses in it: `http://user@host`, `…?password=`."""
    return _QUERY_SECRET.sub(r"\1", _PASSWORD.sub(r"\1@", text))


def lasting(tracking_uri: str) -> str:
    """A tracking URI without passwords; a path in it that depends on the working folder is made absolute."""
    uri = without_passwords(tracking_uri)
    if uri.startswith(_SQLITE) and not uri.startswith((f"{_SQLITE}/", f"{_SQLITE}:memory:")):
        return f"{_SQLITE}{Path(uri.removeprefix(_SQLITE)).absolute()}"
    return uri if "://" in uri or uri in {"", "databricks"} else str(Path(uri).absolute())
