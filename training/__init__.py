"""The offline package: synthesis, datasets, training, evaluation; the ``atme-train`` command."""

import recognizer.no_telemetry  # noqa: F401  # first: before anything that has telemetry
