"""Content of spans: filtered, serialized, bounded in size."""
