"""The HTTP door: validates, publishes, answers reads, streams progress, takes files."""
