"""What the service tells about itself: log lines, request ids, metrics."""
