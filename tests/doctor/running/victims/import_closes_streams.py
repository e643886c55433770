"""An import that takes the standard streams away."""

import os
import sys

sys.stdin.close()
sys.stderr.close()
sys.stdout = None
os.close(2)
