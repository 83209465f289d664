"""How people and programs reach mlgov: Slack, the web, the command line. Parses, calls one action, shows the result."""
