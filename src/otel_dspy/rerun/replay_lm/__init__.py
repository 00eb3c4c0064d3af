"""`otel_dspy.replay_lm`: a language model that answers recorded calls without a request."""
