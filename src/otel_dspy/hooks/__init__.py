"""How DSPy is listened to: one file a kind of call."""
