"""Databases of every revision there was, brought to the newest one."""
