"""Reads cost files in the FOCUS format (1.0 to 1.4; CSV, gzip and Parquet) into exact sums.

with focus.read([Path("bill.csv")], options=ReadOptions(tag_keys=("project",))) as bill:
    for batch in bill.groups(): ...
"""

from workflows.sources.focus.reader import FocusRead, read
from workflows.sources.focus.records import (
    AllocationKey,
    BadRow,
    CostGroup,
    CostRead,
    HeldRead,
    MonthTotal,
    PeriodTotals,
    Progress,
    ReadOptions,
    SourceFile,
)

__all__ = [
    "AllocationKey",
    "BadRow",
    "CostGroup",
    "CostRead",
    "FocusRead",
    "HeldRead",
    "MonthTotal",
    "PeriodTotals",
    "Progress",
    "ReadOptions",
    "SourceFile",
    "read",
]
