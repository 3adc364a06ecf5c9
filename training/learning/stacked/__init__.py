"""Many Dual-ATME networks trained as one, and the compiled numerics that make that fast on a processor.

Leave-one-subject-out trains one small network a fold and seed, hundreds of them. Trained one by one,
they would spend their time on the overhead of small tensors. Here they lie side by side in the channels of
every tensor (``model``), so that one step trains all of them; ``layers`` holds the layers that torch has no
fast counterpart for, with their gradients. On a processor, ``compiled_layers``, ``compiled_pool`` and
``compiled_inceptions`` replace whole chains of torch calls by one or two walks over memory, compiled by
numba. ``python -m benchmarks.loso_speed`` measures the gain. Each network gets the same result, bit for bit,
whatever else is in the stack; the compiled layers are tested against their plain counterparts.
"""
