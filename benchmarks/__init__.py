"""What a step costs; run by ``make bench``."""
