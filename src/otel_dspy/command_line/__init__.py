"""What the commands of `otel-dspy` share: arguments, exit statuses, and programs and metrics of the user's code."""
