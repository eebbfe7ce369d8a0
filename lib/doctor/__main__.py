"""Command line of `lib.doctor`."""

import sys

from lib.doctor import main

sys.exit(main())
