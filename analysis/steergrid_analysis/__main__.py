"""`python -m steergrid_analysis`: see cli.py. `steergrid report` runs this."""

import sys

from .cli import main

sys.exit(main())
