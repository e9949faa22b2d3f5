"""`python -m twosome` is the command `twosome`."""

import sys

from twosome.cli import main

sys.exit(main())
