"""Process-level services: the deferred queue, the guard around instrumentation code, fork and SIGTERM handling."""
