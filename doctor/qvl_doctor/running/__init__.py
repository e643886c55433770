"""Running probes: child processes that may crash, hang or lie, and the schedule of a run."""
