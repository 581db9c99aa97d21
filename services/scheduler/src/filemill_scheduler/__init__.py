"""The only writer of task and workflow state: folds events, commits, owes."""
