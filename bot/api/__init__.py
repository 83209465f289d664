"""The HTTP API: what all its endpoints share. The endpoints themselves stand with their nouns (`bot/*/api.py`)."""
