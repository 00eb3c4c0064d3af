"""Language model calls: `chat` spans with content, usage, cost, cache hits and retries."""
