"""One guarded run, in three processes: guard, keeper and job."""
