"""``qvl-doctor plan``: will it fit, what is too big, and what is the smallest change that helps.

The road: options -> ``request`` -> ``fleet`` (interpreters of the target, several at once) ->
``tasks_probe`` there (the stated workload, ``limits``, ``cures``; all by prediction) -> ``answer``
(typed, the JSON contract) -> ``terminal``.
"""
