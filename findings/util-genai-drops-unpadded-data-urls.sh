#!/usr/bin/env bash
# opentelemetry-util-genai: an image as a data URL whose base64 has no padding is dropped.
#
# Seen on 2026-11-28 with opentelemetry-util-genai 1.3b0, CPython 3.11.
# Expected: the same part with and without the trailing =: browsers and the WHATWG URL standard (forgiving base64)
#           take both.
# Seen:     image_from_url returns None without a log line, and the message is recorded without its image.
#
# Output seen:
#   with padding:    BlobPart of 8 bytes
#   without padding: None
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-util-genai==1.3b0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from opentelemetry.util.genai.utils import image_from_url

padded = image_from_url("data:image/png;base64,iVBORw0KGgo=")
bare = image_from_url("data:image/png;base64,iVBORw0KGgo")
print(f"with padding:    {type(padded).__name__} of {len(padded.content)} bytes")
print(f"without padding: {bare}")
assert len(padded.content) == 8 and bare is None
PYTHON
