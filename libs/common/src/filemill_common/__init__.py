"""What Filemill's services share: events, task types, language, bus, store, storage, runtime."""
