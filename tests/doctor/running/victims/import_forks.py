"""An import that comes back twice."""

import os

os.fork()
