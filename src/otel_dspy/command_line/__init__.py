"""What the commands of `otel-dspy` share: arguments, exit statuses, and programs in files of the user."""
