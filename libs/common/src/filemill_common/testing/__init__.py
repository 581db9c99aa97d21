"""Builders and in-memory twins for tests; a twin passes the same tests as the real thing."""
