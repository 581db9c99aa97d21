"""The workflow language: definitions, their validation, their expressions."""
