"""The store client: the way to MongoDB, and what the collections look like."""
