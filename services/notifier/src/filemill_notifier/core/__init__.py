"""Decisions: pure functions that need no clock, no network and no luck."""
