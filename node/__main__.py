"""``python -m node`` is the ``wms`` command."""

import sys

from node.command import main

sys.exit(main())
