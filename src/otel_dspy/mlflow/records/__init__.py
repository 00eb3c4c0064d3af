"""What a span tells: decoded into typed records, large texts put together again."""
