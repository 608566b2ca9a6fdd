"""The effort of the property tests: few and always the same examples, unless configured."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    derandomize=True,  # a run that failed fails again
    max_examples=100,
    deadline=None,  # the machine may be busy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("default"), derandomize=False, max_examples=5_000
)
settings.register_profile("quick", settings.get_profile("default"), max_examples=10)
settings.load_profile(os.environ.get("FILLBOOK_TEST_PROFILE", "default"))
