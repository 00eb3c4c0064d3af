"""What is said: spans, events and metrics, and the care taken with what they carry."""
