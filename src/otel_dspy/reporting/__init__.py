"""Reports on recorded optimizations: page, text, JSON, comparison and gate; progress in a terminal or a notebook."""
