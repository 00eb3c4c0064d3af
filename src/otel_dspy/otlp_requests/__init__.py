"""OTLP requests as records of spans with their routes: what the bridge, the server app, reports and reruns read."""
