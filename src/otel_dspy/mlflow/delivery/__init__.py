"""How it gets there: one thread and its queue, outages waited for, what cannot be told yet kept on disk."""
