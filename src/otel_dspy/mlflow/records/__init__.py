"""Typed records decoded from spans, with large texts reassembled."""
