"""The events, which are the contract between the services and with other systems."""
