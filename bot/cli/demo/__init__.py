"""`mlgov demo`: a local stand-in for Slack with mlgov in it, a believable organisation, and a story to walk through."""
