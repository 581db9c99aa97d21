"""What the worker's tests stand on: small real files, and a bench to work on them."""
