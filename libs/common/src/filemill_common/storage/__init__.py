"""Files by URI: immutable objects under one root."""
