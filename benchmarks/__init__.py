"""What mlgov costs: every figure is a ratio within one run, since seconds differ from machine to machine."""
