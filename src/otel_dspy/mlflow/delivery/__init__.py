"""Delivery to MLflow: a worker thread, in-memory queues, an on-disk spool, and retries."""
