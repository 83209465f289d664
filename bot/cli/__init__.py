"""The `mlgov` command. Each command imports what it uses, so that `mlgov --help` is quick."""
