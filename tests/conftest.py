"""What holds for every test: property tests never fail for being slow."""

from hypothesis import settings

settings.register_profile("mlopt", deadline=None)
settings.load_profile("mlopt")
