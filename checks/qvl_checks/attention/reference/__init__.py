"""What the model should compute, computed by the doctor.

Positions, masks and attention in plain torch, without a line of the installed model's own mixing of
tokens. Standard library only at module level.
"""
