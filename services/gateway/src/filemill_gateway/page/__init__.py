"""The page for people: what it says, and how it is put together."""
