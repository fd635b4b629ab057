"""What a job of continuous integration does, as make targets: the lock is in step, a run, and its summary."""
