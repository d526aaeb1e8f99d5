"""What holds for every test: none fails for being slow, Ctrl-C works also in the background."""

import signal
import sys
from pathlib import Path

from hypothesis import settings

# In importlib mode a test folder is no place to import from by itself.
sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("mlopt", deadline=None)
settings.load_profile("mlopt")

# A shell starts what runs in the background with SIGINT ignored; every process under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
