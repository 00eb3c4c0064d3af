"""`otel-dspy bridge`: OTLP in, MLflow out. Acknowledged when MLflow has it, and the same however often it comes."""
