"""OTLP servers of the bridge, over HTTP and gRPC."""
