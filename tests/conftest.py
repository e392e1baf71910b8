"""What holds for every test."""

from hypothesis import settings

# No test is timed: a busy machine is no bug.
settings.register_profile("citespan", deadline=None)
settings.load_profile("citespan")
