"""One guarded run, in three processes: the guard, the keeper and the job."""
