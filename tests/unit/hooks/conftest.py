"""A small task for the hooks' tests: sums, answered by a script that knows some of them."""

from __future__ import annotations

import os

# litellm would look for its price list on the network when it is imported.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
