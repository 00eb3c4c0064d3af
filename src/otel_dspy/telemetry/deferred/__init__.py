"""Spans and measurements that are recorded at the time of their call and made by the deferred queue."""
