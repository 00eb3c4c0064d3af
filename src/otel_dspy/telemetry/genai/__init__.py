"""Calls recorded by the GenAI conventions, with `opentelemetry-util-genai`."""
