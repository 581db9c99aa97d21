"""What a kind of task is: its name, its pool, its options as a typed model."""
