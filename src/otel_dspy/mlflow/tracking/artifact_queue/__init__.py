"""Queue of artifacts to write, with a thread and retries for each artifact store."""
