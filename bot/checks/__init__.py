"""What `mlgov doctor` looks at, by where it looks; `bot.doctor` says in which order."""
