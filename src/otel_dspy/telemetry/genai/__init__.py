"""Recording of calls by the GenAI conventions, with `opentelemetry-util-genai`."""
