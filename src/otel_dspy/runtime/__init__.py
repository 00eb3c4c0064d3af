"""Process-level services: deferred queue, guard around instrumentation code, fork and SIGTERM handling, redaction."""
