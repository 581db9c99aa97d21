"""The filemill command, and the thin HTTP client that it is built on."""
