"""Command line of `lib.infra`."""

import sys

from lib.infra import main

sys.exit(main())
