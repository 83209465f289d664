"""Tests of mlgov."""

import os
import sys

# Containers often write no bytecode. Here it is written: some hundred processes start in these tests, and each would
# compile all of mlgov again, as pytest would rewrite every test in every worker.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
