"""Settings for all tests."""

import os

from hypothesis import settings

# The same examples in every run, so that a red test is a change of ours; `nightly` looks for new ones.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
