"""Sending once: claiming what is due, writing down how it ended, and what operators do with what could not be sent."""
