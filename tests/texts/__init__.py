"""Every text that people meet, written down, so that a change shows which of them it changed."""
