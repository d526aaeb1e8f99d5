"""What holds for every test: none fails for being slow, Ctrl-C works also in the background."""

import signal

from hypothesis import settings

settings.register_profile("mlopt", deadline=None)
settings.load_profile("mlopt")

# A shell starts what runs in the background with SIGINT ignored; every process under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
