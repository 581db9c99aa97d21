"""Tells whoever asked, by email, webhook or callback, until they have it."""
