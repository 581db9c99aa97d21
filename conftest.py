"""Real servers for all tests; see ``filemill_local.pytest_plugin``."""

pytest_plugins = ["filemill_local.pytest_plugin"]
