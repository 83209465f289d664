"""What others send is read in processes apart: few of them, each bounded in seconds, memory and disk, and ended for good."""

from workflows.sources.apart.pool import Busy, Pool
from workflows.sources.apart.work import Faulty, Job, TooMuch

__all__ = ["Busy", "Faulty", "Job", "Pool", "TooMuch"]
