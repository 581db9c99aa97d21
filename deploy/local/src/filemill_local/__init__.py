"""The embedded stack: real servers and the services on one machine, to try out and to test."""
