"""The stateless hands: takes a ready task, processes it, reports."""
