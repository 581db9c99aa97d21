"""The ``filemill`` command."""

from filemill_client.cli.app import main

__all__ = ["main"]
