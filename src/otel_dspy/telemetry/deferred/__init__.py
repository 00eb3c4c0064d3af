"""Spans and measurements that are created by the deferred queue, with the timestamps and values of their call."""
