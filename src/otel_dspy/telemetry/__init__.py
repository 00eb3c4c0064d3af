"""Spans, events and metrics: what they record, how content is filtered, and when they are sent."""
